"""Held mails: set aside with a reason until a person decides."""

from __future__ import annotations

from sqlalchemy import Connection, select

from reconciler.core.held import Held
from reconciler.store.tables import accounts, held, mails


def list_held(connection: Connection, *, tenant: str | None = None) -> list[Held]:
    """What waits for a person, oldest first."""
    query = (
        select(
            held.c.id,
            held.c.mail_id,
            held.c.tenant,
            accounts.c.unit + "/" + accounts.c.id,
            held.c.reason,
            held.c.detail,
            held.c.since,
            mails.c.sender,
            mails.c.subject,
        )
        .join(mails, mails.c.id == held.c.mail_id)
        .join(accounts, accounts.c.key == mails.c.account_key)
        .where(held.c.resolution.is_(None))
        .order_by(held.c.id)
    )
    if tenant is not None:
        query = query.where(held.c.tenant == tenant)
    return [Held(*row) for row in connection.execute(query)]
