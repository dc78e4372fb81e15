"""Referrals as rows, for tests of what depends on them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert

from reconciler.store.database import Store
from reconciler.store.tables import cases, referrals
from tests.states import NOW


def add_referral(store: Store, account_key: int, state: str = "waiting") -> None:
    """A case of acme with one referral whose answer goes to this account."""
    with store.write() as connection:
        case = insert(cases).values(
            tenant="acme",
            account_key=account_key,
            subject="",
            state="open",
            customer_name="",
            customer_address="",
            tags=[],
            opened_at=NOW,
            updated_at=NOW,
        )
        written = connection.execute(case).inserted_primary_key
        assert written is not None
        connection.execute(
            insert(referrals).values(
                tenant="acme",
                case_id=written[0],
                kind="forward",
                state=state,
                contact_name="Expert",
                contact_address="expert@partner.example",
                agent="a@acme.example",
                account_key=account_key,
                target_name="",
                target_address="c@customer.example",
                answer_from="domain",
                asked_at=NOW,
                expires_at=NOW + timedelta(days=60),
            )
        )
