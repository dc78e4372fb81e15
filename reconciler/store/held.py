"""Held mails: set aside with a reason until a person decides."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from reconciler.core.errors import Invalid
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


def mail_of_held(connection: Connection, held_id: int) -> int:
    """The mail that waits under this id. Raises Invalid if there is none, or a person has decided already."""
    row = connection.execute(select(held.c.mail_id, held.c.resolution).where(held.c.id == held_id)).first()
    if row is None:
        raise Invalid(f"there is no held mail H{held_id}; `reconciler held` lists them")
    if row.resolution is not None:
        raise Invalid(f"H{held_id} was decided already: {row.resolution}")
    return int(row.mail_id)


def waiting_under(connection: Connection, mail_id: int) -> int | None:
    """The id under which the mail waits for a person; None if it does not."""
    query = select(held.c.id).where(held.c.mail_id == mail_id, held.c.resolution.is_(None))
    return connection.execute(query.order_by(held.c.id.desc())).scalars().first()


def expired(connection: Connection, tenant: str, reason: str, before: datetime) -> list[tuple[int, int]]:
    """(held id, mail id) of the tenant's mails that have waited since before then for this reason."""
    query = select(held.c.id, held.c.mail_id).where(
        held.c.tenant == tenant, held.c.reason == reason, held.c.since < before, held.c.resolution.is_(None)
    )
    return [(row.id, row.mail_id) for row in connection.execute(query.order_by(held.c.id))]


def resolve(connection: Connection, held_id: int, resolution: str, by: str, now: datetime) -> None:
    """Write down what a person decided."""
    connection.execute(
        update(held).where(held.c.id == held_id).values(resolution=resolution, resolved_by=by, resolved_at=now)
    )
