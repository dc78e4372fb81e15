"""The ledger of fetched mails: stored bytes, what the server has still to be told, and what waits to be routed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from reconciler.core.fetch import Fetched, Mark
from reconciler.core.reuse import Stored
from reconciler.store.dialect import insert_new
from reconciler.store.tables import accounts, copy_marks, folders, mails, raw_mails

_CHUNK = 500


class MailState(StrEnum):
    """Where a stored mail stands: received (to be routed), routed, or held for a person."""

    RECEIVED = "received"
    ROUTED = "routed"
    HELD = "held"


_THESE = mails.c.id.in_(bindparam("ids", expanding=True))
_WAITING = (
    select(mails.c.id, mails.c.attempts, mails.c.interruptions, mails.c.size)
    .where(mails.c.state == MailState.RECEIVED.value)
    .order_by(mails.c.attempts, mails.c.interruptions, mails.c.id)
    .limit(bindparam("most"))
)
_COUNT = update(mails).where(_THESE).values(attempts=mails.c.attempts + 1, attempted_by=bindparam("boot"))
_COUNTED = select(mails.c.id, mails.c.attempts, mails.c.interruptions).where(_THESE)
_FORGIVE = update(mails).where(_THESE).values(attempts=mails.c.attempts - 1, attempted_by=None)
_MAILS = (
    select(
        mails.c.id,
        mails.c.account_key,
        accounts.c.unit,
        accounts.c.id.label("account_id"),
        accounts.c.type,
        raw_mails.c.data,
        mails.c.attempts,
        mails.c.state,
        mails.c.received_at,
        mails.c.internal_date,
    )
    .join(raw_mails, raw_mails.c.mail_id == mails.c.id)
    .join(accounts, accounts.c.key == mails.c.account_key)
    .where(_THESE)
)


_NEW_RAW = insert(raw_mails)
_KNOWN_UIDS = select(mails.c.uid).where(
    mails.c.account_key == bindparam("account"),
    mails.c.folder == bindparam("folder"),
    mails.c.uidvalidity == bindparam("uidvalidity"),
)
_UNACKNOWLEDGED = (
    select(mails.c.folder, mails.c.uidvalidity, mails.c.uid, mails.c.after_fetch, mails.c.move_to)
    .where(mails.c.account_key == bindparam("account"), mails.c.acknowledged_at.is_(None))
    .order_by(mails.c.id)
)
_ACKNOWLEDGE = update(mails).where(
    mails.c.account_key == bindparam("account"),
    mails.c.folder == bindparam("of_folder"),
    mails.c.uidvalidity == bindparam("validity"),
    mails.c.uid.in_(bindparam("uids", expanding=True)),
    mails.c.acknowledged_at.is_(None),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that waits to be routed: how often that was tried, how often the program ended meanwhile, bytes."""

    id: int
    attempts: int
    interruptions: int
    size: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail to store: whose, its bytes and identity, and what the server is to be told once it is durable."""

    account_key: int
    mail: Fetched
    received_at: datetime
    after_fetch: str
    move_to: str | None


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """A stored mail of which the server has not been told yet."""

    folder: str
    uidvalidity: int
    uid: str
    after_fetch: str
    move_to: str | None


@dataclass(frozen=True, slots=True)
class FolderState:
    """What was found at first contact: UIDVALIDITY, when, and the UIDs the start rule leaves on the server."""

    uidvalidity: int
    first_contact_at: datetime
    left_behind: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A stored mail with its raw bytes."""

    id: int
    account_key: int
    unit: str
    account_id: str
    account_type: str
    raw: bytes
    attempts: int
    state: MailState
    received_at: datetime
    internal_date: datetime | None


def store_mails(connection: Connection, arrived: Sequence[Arrived]) -> None:
    """Store raw bytes, identity and `received`; a mail that is in the ledger already is left as it is."""
    for item in arrived:
        mail = item.mail
        values = {
            "account_key": item.account_key,
            "folder": mail.folder,
            "uidvalidity": mail.uidvalidity,
            "uid": mail.uid,
            "received_at": item.received_at,
            "internal_date": mail.internal_date,
            "size": len(mail.raw),
            "sha256": hashlib.sha256(mail.raw).digest(),
            "after_fetch": item.after_fetch,
            "move_to": item.move_to,
            "acknowledged_at": item.received_at if item.after_fetch == "keep" else None,
            "state": MailState.RECEIVED.value,
        }
        mail_id = connection.execute(_new_mail(connection), values).scalar_one_or_none()
        if mail_id is not None:
            connection.execute(_NEW_RAW, {"mail_id": mail_id, "data": mail.raw})


@cache
def _new_mail_of(dialect: str) -> Any:
    return insert_new(dialect, mails).returning(mails.c.id)


def _new_mail(connection: Connection) -> Any:
    return _new_mail_of(connection.dialect.name)


def bytes_since(connection: Connection, account_key: int, since: datetime) -> int:
    """The size of all mails of this account that were stored since then."""
    mine = (mails.c.account_key == account_key) & (mails.c.received_at >= since)
    return int(connection.execute(select(func.coalesce(func.sum(mails.c.size), 0)).where(mine)).scalar_one())


def known_uids(connection: Connection, account_key: int, folder: str, uidvalidity: int) -> set[str]:
    """The UIDs of this folder that are in the ledger."""
    values = {"account": account_key, "folder": folder, "uidvalidity": uidvalidity}
    return set(connection.execute(_KNOWN_UIDS, values).scalars())


def unacknowledged(connection: Connection, account_key: int) -> list[Unacknowledged]:
    """What the server has still to be told about this account's mails, oldest first."""
    return [Unacknowledged(*row) for row in connection.execute(_UNACKNOWLEDGED, {"account": account_key})]


def stored_mails(connection: Connection, account_key: int, folder: str, uidvalidity: int) -> list[Stored]:
    """What the ledger has of a folder, oldest first."""
    query = (
        select(mails.c.uid, mails.c.size, mails.c.acknowledged_at, mails.c.after_fetch)
        .where(mails.c.account_key == account_key, mails.c.folder == folder, mails.c.uidvalidity == uidvalidity)
        .order_by(mails.c.id)
    )
    return [
        Stored(row.uid, row.size, told, told and row.after_fetch in ("delete", "move"))
        for row in connection.execute(query)
        for told in (row.acknowledged_at is not None,)
    ]


def stored_raw(connection: Connection, account_key: int, folder: str, uidvalidity: int, uid: str) -> bytes:
    """The bytes stored under a UID; empty if there are none."""
    query = (
        select(raw_mails.c.data)
        .join(mails, mails.c.id == raw_mails.c.mail_id)
        .where(
            mails.c.account_key == account_key,
            mails.c.folder == folder,
            mails.c.uidvalidity == uidvalidity,
            mails.c.uid == uid,
        )
    )
    raw: bytes | None = connection.execute(query).scalar_one_or_none()
    return raw or b""


def mark_acknowledged(
    connection: Connection, account_key: int, folder: str, uidvalidity: int, uids: Collection[str], now: datetime
) -> None:
    """Remember that the server was told about these mails."""
    ordered = sorted(uids)
    for start in range(0, len(ordered), _CHUNK):
        told = {"uids": ordered[start : start + _CHUNK], "acknowledged_at": now}
        connection.execute(_ACKNOWLEDGE, {"account": account_key, "of_folder": folder, "validity": uidvalidity, **told})


def folder_state(connection: Connection, account_key: int, folder: str) -> FolderState | None:
    """What was remembered of the folder; None before first contact."""
    query = select(folders).where(folders.c.account_key == account_key, folders.c.folder == folder)
    row = connection.execute(query).first()
    if row is None:
        return None
    left = frozenset(row.left_behind.decode().split("\n")) if row.left_behind else frozenset()
    return FolderState(row.uidvalidity, row.first_contact_at, left)


def save_folder(connection: Connection, account_key: int, folder: str, state: FolderState) -> None:
    """Remember the folder's first contact."""
    left = "\n".join(sorted(state.left_behind)).encode()
    connection.execute(
        insert(folders).values(
            account_key=account_key,
            folder=folder,
            uidvalidity=state.uidvalidity,
            first_contact_at=state.first_contact_at,
            left_behind=left,
        )
    )


def copy_mark(connection: Connection, account_key: int, folder: str, move_to: str) -> Mark | None:
    """What was remembered before mails were last copied from one folder into the other."""
    query = select(copy_marks.c.uidvalidity, copy_marks.c.next_uid).where(*_copies(account_key, folder, move_to))
    row = connection.execute(query).first()
    return Mark(move_to, row.uidvalidity, row.next_uid) if row is not None else None


def save_copy_mark(connection: Connection, account_key: int, folder: str, mark: Mark) -> None:
    """Remember where the copies that follow will begin."""
    connection.execute(delete(copy_marks).where(*_copies(account_key, folder, mark.folder)))
    place = {"account_key": account_key, "folder": folder, "move_to": mark.folder}
    values = place | {"uidvalidity": mark.uidvalidity, "next_uid": mark.next_uid}
    connection.execute(insert(copy_marks).values(**values))


def _copies(account_key: int, folder: str, move_to: str) -> tuple[ColumnElement[bool], ...]:
    here = copy_marks.c
    return here.account_key == account_key, here.folder == folder, here.move_to == move_to


def waiting(connection: Connection, limit: int) -> list[Waiting]:
    """Mails that wait to be routed: those never tried first, then in order of arrival.

    A mail at which the program ended goes behind the others: were it the cause, they would wait for ever, and were it
    not, it should not be met by every further end.
    """
    return [Waiting(*row) for row in connection.execute(_WAITING, {"most": limit})]


def count_attempts(connection: Connection, mail_ids: Sequence[int], boot: str) -> dict[int, tuple[int, int]]:
    """Count an attempt at each mail before it is made, in the name of this start of the program.

    Returns by id how many attempts that makes, and how many earlier ones ended with the whole program.
    """
    connection.execute(_COUNT, {"ids": list(mail_ids), "boot": boot})
    return {row.id: (row.attempts, row.interruptions) for row in connection.execute(_COUNTED, {"ids": list(mail_ids)})}


def forgive_attempts(connection: Connection, mail_ids: Sequence[int]) -> None:
    """The attempts were not made, or what they rested on has changed: the mails are decided anew, none is counted."""
    connection.execute(_FORGIVE, {"ids": list(mail_ids)})


def attempt_failed(connection: Connection, mail_id: int) -> None:
    """The attempt ended badly while the program went on: it counts against the mail."""
    connection.execute(update(mails).where(mails.c.id == mail_id).values(attempted_by=None))


def forgive_interrupted(connection: Connection, boot: str) -> None:
    """Attempts that another start of the program counted ended with the whole program, not through the mail.

    They are counted apart, so that a mail is not held because the machine was switched off while it was read.
    """
    connection.execute(
        update(mails)
        .where(mails.c.state == MailState.RECEIVED.value, mails.c.attempted_by != boot, mails.c.attempts > 0)
        .values(attempts=mails.c.attempts - 1, interruptions=mails.c.interruptions + 1, attempted_by=None)
    )


def read_mails(connection: Connection, mail_ids: Sequence[int]) -> dict[int, StoredMail]:
    """Stored mails with their bytes, by id; those that do not exist are left out."""
    return {
        row.id: StoredMail(
            row.id,
            row.account_key,
            row.unit,
            row.account_id,
            row.type,
            row.data,
            row.attempts,
            MailState(row.state),
            row.received_at,
            row.internal_date,
        )
        for row in connection.execute(_MAILS, {"ids": list(mail_ids)})
    }


def read_mail(connection: Connection, mail_id: int) -> StoredMail | None:
    """A stored mail with its bytes; None if there is no such mail."""
    return read_mails(connection, [mail_id]).get(mail_id)
