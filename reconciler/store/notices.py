"""Mails to tenants' owners: what each tenant's were told last, and the mails that wait to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from reconciler.core.notice import Told
from reconciler.core.outbox import Delivery, OutboxState, retry_at, state_after
from reconciler.store.operator_tables import notices, told


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail to an owner that waits, through the account with this key. `attempts` counts the one that begins."""

    id: int
    account_key: int
    mail_from: str
    recipient: str
    data: bytes
    attempts: int


def read_told(connection: Connection) -> Mapping[str, Told]:
    """By unit, how its owners were told last that it stands."""
    rows = connection.execute(select(told))
    return {row.unit: Told(row.state, row.revision_id, row.detail) for row in rows}


def write_told(connection: Connection, unit: str, standing: Told) -> None:
    """The owners know now, or will by a mail that waits."""
    connection.execute(delete(told).where(told.c.unit == unit))
    values = {"state": standing.state, "revision_id": standing.revision, "detail": standing.detail}
    connection.execute(insert(told).values(unit=unit, **values))


def recent(connection: Connection, recipient: str, since: datetime) -> int:
    """How many notices to this address were written since then."""
    query = select(func.count()).where(
        func.lower(notices.c.recipient) == recipient.lower(), notices.c.created_at > since
    )
    return int(connection.execute(query).scalar_one())


def enqueue(
    connection: Connection, account_key: int, mail_from: str, recipient: str, data: bytes, now: datetime
) -> None:
    """Let the mail wait, due at once."""
    connection.execute(
        insert(notices).values(
            account_key=account_key,
            mail_from=mail_from,
            recipient=recipient,
            data=data,
            state=OutboxState.QUEUED.value,
            next_at=now,
            created_at=now,
        )
    )


def due(connection: Connection, now: datetime) -> int | None:
    """The key of the account through which the notice goes that is due longest; None: none is due."""
    query = select(notices.c.account_key).where(notices.c.state == OutboxState.QUEUED.value, notices.c.next_at <= now)
    return connection.execute(query.order_by(notices.c.next_at, notices.c.id).limit(1)).scalar()


def claim(connection: Connection, now: datetime) -> Notice | None:
    """The notice that is due longest. Its try is counted, and the next one put off, before it is made."""
    query = select(notices).where(notices.c.state == OutboxState.QUEUED.value, notices.c.next_at <= now)
    row = connection.execute(query.order_by(notices.c.next_at, notices.c.id).limit(1)).first()
    if row is None:
        return None
    retry = retry_at(row.attempts + 1, now)
    state = OutboxState.FAILED if retry is None else OutboxState.QUEUED
    here = update(notices).where(notices.c.id == row.id)
    connection.execute(here.values(attempts=row.attempts + 1, next_at=retry or now, state=state.value))
    return Notice(row.id, row.account_key, row.mail_from, row.recipient, row.data, row.attempts + 1)


def finish(connection: Connection, notice: Notice, delivery: Delivery, now: datetime) -> OutboxState:
    """Write down what the server said."""
    retry = retry_at(notice.attempts, now)
    state = state_after(delivery.outcome, retry)
    values = {"state": state.value, "answer": delivery.text, "sent_at": now if state is OutboxState.SENT else None}
    connection.execute(update(notices).where(notices.c.id == notice.id).values(**values))
    return state
