"""The outbox: mails to send, one row a recipient; what was tried, what the server said, what is possibly twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from reconciler.core.outbox import OutboxState
from reconciler.store.tables import accounts, outbox, outbox_data


@dataclass(frozen=True, slots=True)
class Queued:
    """A mail to put into the outbox: who sends it to whom, and its bytes."""

    tenant: str
    account_key: int
    case_id: int
    referral_id: int | None
    purpose: str
    revision_id: int
    mail_from: str
    recipient: str
    message_id: str
    subject: str
    data: bytes


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox without its bytes. `account` is `unit/id` of the account whose server takes it."""

    id: int
    tenant: str
    account_key: int
    account: str
    case_id: int
    referral_id: int | None
    purpose: str
    revision_id: int
    mail_from: str
    recipient: str
    message_id: str
    subject: str
    state: OutboxState
    attempts: int
    next_at: datetime
    possibly_twice: bool
    answer: str | None
    created_at: datetime
    sent_at: datetime | None


def enqueue(connection: Connection, mail: Queued, now: datetime) -> int:
    """Put the mail into the outbox, due at once; returns its id."""
    statement = insert(outbox).values(
        tenant=mail.tenant,
        account_key=mail.account_key,
        case_id=mail.case_id,
        referral_id=mail.referral_id,
        purpose=mail.purpose,
        revision_id=mail.revision_id,
        mail_from=mail.mail_from,
        recipient=mail.recipient,
        message_id=mail.message_id,
        subject=mail.subject,
        state=OutboxState.QUEUED.value,
        next_at=now,
        created_at=now,
    )
    outbox_id = connection.execute(statement.returning(outbox.c.id)).scalar_one()
    connection.execute(insert(outbox_data).values(outbox_id=outbox_id, data=mail.data))
    return int(outbox_id)


def due_accounts(connection: Connection, now: datetime) -> list[int]:
    """Keys of the accounts that have something to send now."""
    query = (
        select(outbox.c.account_key)
        .where(outbox.c.state == OutboxState.QUEUED.value, outbox.c.next_at <= now)
        .distinct()
        .order_by(outbox.c.account_key)
    )
    return list(connection.execute(query).scalars())


def claim(connection: Connection, account_key: int, weight: int, boot: str, now: datetime) -> list[OutboxRow]:
    """Take at most `weight` due mails of the account for sending; each attempt is counted before it is made."""
    due = (
        select(outbox.c.id)
        .where(outbox.c.account_key == account_key, outbox.c.state == OutboxState.QUEUED.value, outbox.c.next_at <= now)
        .order_by(outbox.c.next_at, outbox.c.id)
        .limit(weight)
    )
    ids = list(connection.execute(due).scalars())
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(ids))
        .values(state=OutboxState.SENDING.value, claimed_by=boot, attempts=outbox.c.attempts + 1)
    )
    return [_row(r) for r in connection.execute(_query().where(outbox.c.id.in_(ids)).order_by(outbox.c.id))]


def read_data(connection: Connection, outbox_id: int) -> bytes:
    """The bytes of a mail in the outbox: the same at every try."""
    query = select(outbox_data.c.data).where(outbox_data.c.outbox_id == outbox_id)
    return bytes(connection.execute(query).scalar_one())


def finish(
    connection: Connection,
    outbox_id: int,
    state: OutboxState,
    *,
    answer: str,
    next_at: datetime | None = None,
    sent_at: datetime | None = None,
    possibly_twice: bool = False,
) -> None:
    """Write down how an attempt ended."""
    values: dict[str, Any] = {"state": state.value, "answer": answer, "claimed_by": None, "sent_at": sent_at}
    if next_at is not None:
        values["next_at"] = next_at
    if possibly_twice:
        values["possibly_twice"] = True
    connection.execute(update(outbox).where(outbox.c.id == outbox_id).values(**values))


def requeue_interrupted(connection: Connection, boot: str, now: datetime) -> int:
    """Mails another start of the program was sending when it ended: their outcome is unknown, so they go out again.

    They are marked possibly twice (SMTP is at least once); returns how many there are.
    """
    return _requeue(connection, outbox.c.claimed_by != boot, now)


def requeue_stranded(connection: Connection, busy: Collection[int], now: datetime) -> int:
    """The same for mails that no running step of this start of the program is sending; `busy` are those steps' keys."""
    return _requeue(connection, outbox.c.account_key.not_in(list(busy)), now)


def _requeue(connection: Connection, whose: ColumnElement[bool], now: datetime) -> int:
    statement = (
        update(outbox)
        .where(outbox.c.state == OutboxState.SENDING.value, whose)
        .values(state=OutboxState.QUEUED.value, claimed_by=None, next_at=now, possibly_twice=True)
    )
    return int(connection.execute(statement).rowcount)


def read_row(connection: Connection, outbox_id: int) -> OutboxRow | None:
    """A row of the outbox, or None."""
    row = connection.execute(_query().where(outbox.c.id == outbox_id)).first()
    return None if row is None else _row(row)


def find_message_id(connection: Connection, message_id: str) -> OutboxRow | None:
    """The mail of ours with this Message-ID, or None."""
    row = connection.execute(_query().where(outbox.c.message_id == message_id)).first()
    return None if row is None else _row(row)


def list_rows(connection: Connection, *, states: Sequence[OutboxState] = ()) -> list[OutboxRow]:
    """Rows of the outbox, oldest first."""
    query = _query().order_by(outbox.c.id)
    if states:
        query = query.where(outbox.c.state.in_([s.value for s in states]))
    return [_row(r) for r in connection.execute(query)]


def _query() -> Any:
    return select(outbox, (accounts.c.unit + "/" + accounts.c.id).label("account")).join(
        accounts, accounts.c.key == outbox.c.account_key
    )


def _row(r: Row[Any]) -> OutboxRow:
    return OutboxRow(
        r.id,
        r.tenant,
        r.account_key,
        r.account,
        r.case_id,
        r.referral_id,
        r.purpose,
        r.revision_id,
        r.mail_from,
        r.recipient,
        r.message_id,
        r.subject,
        OutboxState(r.state),
        r.attempts,
        r.next_at,
        r.possibly_twice,
        r.answer,
        r.created_at,
        r.sent_at,
    )


def sending_account(connection: Connection, account_key: int) -> tuple[str, dict[str, Any]]:
    """Unit and stored configuration of the account a mail goes through, whether it still serves or not."""
    row = connection.execute(select(accounts.c.unit, accounts.c.config).where(accounts.c.key == account_key)).one()
    return row.unit, row.config
