"""Rows that others stand on: accounts of acme, a case, a received mail."""

from __future__ import annotations

from sqlalchemy import insert, select

from reconciler.core.fetch import Fetched
from reconciler.store.database import Store
from reconciler.store.ledger import Arrived, store_mails
from reconciler.store.tables import accounts, cases, mails, revisions
from tests.states import NOW


def add_accounts(store: Store, *names: str) -> list[int]:
    """Accounts of acme under its first revision; their keys."""
    with store.write() as connection:
        connection.execute(insert(revisions).values(unit="acme", digest="d", document={}, source="x", applied_at=NOW))
        for name in names:
            connection.execute(
                insert(accounts).values(
                    unit="acme",
                    id=name,
                    type="inbound",
                    status="serving",
                    config={"id": name},
                    revision_id=1,
                    since=NOW,
                    floor_at=NOW,
                    file="acme.yaml",
                    line=3,
                    column=5,
                )
            )
        return list(connection.execute(select(accounts.c.key).order_by(accounts.c.key)).scalars())


def add_case(store: Store, account_key: int) -> None:
    """An open case of acme's customer."""
    with store.write() as connection:
        connection.execute(
            insert(cases).values(
                tenant="acme",
                account_key=account_key,
                subject="x",
                state="open",
                customer_name="",
                customer_address="c@customer.example",
                tags=[],
                opened_at=NOW,
                updated_at=NOW,
            )
        )


def add_mail(store: Store, account_key: int, uid: int = 1) -> int:
    """A mail that waits to be routed; its id."""
    with store.write() as connection:
        mail = Fetched("INBOX", 1, str(uid), b"Subject: x\r\n\r\ny\r\n", NOW)
        store_mails(connection, [Arrived(account_key, mail, NOW, "keep", None)])
        return int(connection.execute(select(mails.c.id).where(mails.c.uid == str(uid))).scalar_one())
