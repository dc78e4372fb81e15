"""The outbox: mails to send, one row a recipient; what was tried, what the server said, what is possibly twice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, insert, or_, select, update

from reconciler.core.address import Address
from reconciler.core.cap import LONGEST_WINDOW, SentBefore, reached
from reconciler.core.outbox import LONGEST_WAIT, RATE_WINDOW, OutboxRow, OutboxState
from reconciler.store.suspensions import sending_goes_on
from reconciler.store.tables import accounts, outbox, outbox_data

_NEW = insert(outbox).returning(outbox.c.id)
_NEW_DATA = insert(outbox_data)
_DATA = select(outbox_data.c.data).where(outbox_data.c.outbox_id == bindparam("wanted"))
_RECENT = select(outbox.c.case_id, outbox.c.created_at).where(
    outbox.c.recipient_key == bindparam("to"), outbox.c.created_at > bindparam("since")
)


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


def enqueue(connection: Connection, mail: Queued, now: datetime) -> int:
    """Put the mail into the outbox, due at once; returns its id."""
    values = {
        "tenant": mail.tenant,
        "account_key": mail.account_key,
        "case_id": mail.case_id,
        "referral_id": mail.referral_id,
        "purpose": mail.purpose,
        "revision_id": mail.revision_id,
        "mail_from": mail.mail_from,
        "recipient": mail.recipient,
        "recipient_key": Address("", mail.recipient).key,
        "message_id": mail.message_id,
        "subject": mail.subject,
        "state": OutboxState.QUEUED.value,
        "next_at": now,
        "created_at": now,
    }
    outbox_id = int(connection.execute(_NEW, values).scalar_one())
    connection.execute(_NEW_DATA, {"outbox_id": outbox_id, "data": mail.data})
    return outbox_id


def cap_reached(connection: Connection, recipient: str, case_id: int, now: datetime) -> str | None:
    """Which cap one more mail of the case to this recipient would break, in words; None if it may go."""
    rows = connection.execute(_RECENT, {"to": Address("", recipient).key, "since": now - LONGEST_WINDOW})
    return reached((SentBefore(r.case_id, r.created_at) for r in rows), case_id, now)


def due_accounts(connection: Connection, now: datetime) -> list[int]:
    """Keys of the accounts that have something to send now."""
    query = select(outbox.c.account_key).where(_is_due(now)).distinct().order_by(outbox.c.account_key)
    return list(connection.execute(query).scalars())


def claim(connection: Connection, account_key: int, weight: int, boot: str, now: datetime) -> list[OutboxRow]:
    """Take at most `weight` due mails of the account for sending; each attempt is counted before it is made."""
    due = (
        select(outbox.c.id)
        .where(outbox.c.account_key == account_key, _is_due(now))
        .order_by(outbox.c.next_at, outbox.c.id)
        .limit(weight)
    )
    ids = list(connection.execute(due).scalars())
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(ids))
        .values(state=OutboxState.SENDING.value, claimed_by=boot, attempts=outbox.c.attempts + 1, attempted_at=now)
    )
    return [_row(r) for r in connection.execute(_query().where(outbox.c.id.in_(ids)).order_by(outbox.c.id))]


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Queued, not suspended, and due by whatever clock it was put off: one that was never tried is due at once."""
    never_tried, clock_was_ahead = outbox.c.attempts == 0, outbox.c.next_at > now + LONGEST_WAIT
    due = or_(outbox.c.next_at <= now, never_tried, clock_was_ahead)
    return and_(outbox.c.state == OutboxState.QUEUED.value, due, sending_goes_on(now))


def recent_tries(connection: Connection, account_key: int, now: datetime) -> list[datetime]:
    """When the account's mails were tried in the last minute."""
    query = select(outbox.c.attempted_at).where(
        outbox.c.account_key == account_key, outbox.c.attempted_at > now - RATE_WINDOW, outbox.c.attempted_at <= now
    )
    return list(connection.execute(query).scalars())


def put_back(connection: Connection, ids: Collection[int], boot: str, answer: str | None) -> None:
    """Claimed mails that were not tried after all wait again, and the try is not counted; `answer` None: unchanged."""
    values: dict[str, Any] = {"state": OutboxState.QUEUED.value, "claimed_by": None, "attempted_at": None}
    if answer is not None:
        values["answer"] = answer
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(list(ids)), outbox.c.state == OutboxState.SENDING.value, outbox.c.claimed_by == boot)
        .values(attempts=outbox.c.attempts - 1, **values)
    )


def move_behind(connection: Connection, outbox_id: int, now: datetime) -> None:
    """Let the account's mails that wait already go before this one."""
    connection.execute(update(outbox).where(outbox.c.id == outbox_id).values(next_at=now))


def read_data(connection: Connection, outbox_id: int) -> bytes:
    """The bytes of a mail in the outbox: the same at every try."""
    return bytes(connection.execute(_DATA, {"wanted": outbox_id}).scalar_one())


def finish(
    connection: Connection,
    outbox_id: int,
    state: OutboxState,
    *,
    answer: str,
    next_at: datetime | None = None,
    sent_at: datetime | None = None,
    possibly_twice: bool = False,
) -> bool:
    """Write down how an attempt ended. False if that is written already, or somebody else has the mail now."""
    values: dict[str, Any] = {"state": state.value, "answer": answer, "claimed_by": None, "sent_at": sent_at}
    if next_at is not None:
        values["next_at"] = next_at
    if possibly_twice:
        values["possibly_twice"] = True
    claimed = (outbox.c.id == outbox_id, outbox.c.state == OutboxState.SENDING.value)
    return bool(connection.execute(update(outbox).where(*claimed).values(**values)).rowcount)


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


def mark_bounced(connection: Connection, message_id: str, status: str) -> None:
    """A bounce said that a mail which a server had accepted did not arrive after all."""
    connection.execute(
        update(outbox).where(outbox.c.message_id == message_id).values(bounced=status or "undeliverable")
    )


def read_row(connection: Connection, outbox_id: int) -> OutboxRow | None:
    """A row of the outbox, or None."""
    row = connection.execute(_query().where(outbox.c.id == outbox_id)).first()
    return None if row is None else _row(row)


def find_message_id(connection: Connection, message_id: str) -> OutboxRow | None:
    """The mail of ours with this Message-ID, or None."""
    row = connection.execute(_query().where(outbox.c.message_id == message_id)).first()
    return None if row is None else _row(row)


def referral_message_ids(connection: Connection, referral_id: int) -> list[str]:
    """Message-IDs of what the referral's contact was sent, oldest first: the question and its reminders."""
    query = (
        select(outbox.c.message_id)
        .where(outbox.c.referral_id == referral_id, outbox.c.purpose.in_(["forward", "inquiry", "reminder"]))
        .order_by(outbox.c.id)
    )
    return list(connection.execute(query).scalars())


def list_rows(connection: Connection, *, errors: bool = False) -> list[OutboxRow]:
    """The outbox, oldest first; `errors` keeps what did not arrive: refused for good, or bounced after acceptance."""
    query = _query().order_by(outbox.c.id)
    if errors:
        query = query.where((outbox.c.state == OutboxState.FAILED.value) | outbox.c.bounced.is_not(None))
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
        r.bounced,
        r.created_at,
        r.sent_at,
    )


def sending_account(connection: Connection, account_key: int) -> tuple[str, dict[str, Any]]:
    """Unit and stored configuration of the account a mail goes through, whether it still serves or not."""
    row = connection.execute(select(accounts.c.unit, accounts.c.config).where(accounts.c.key == account_key)).one()
    return row.unit, row.config
