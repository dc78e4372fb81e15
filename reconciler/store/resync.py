"""Gives the ledger's mails of one folder their new UIDs, or takes a UID from a mail; remembers what was decided."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, bindparam, case, cast, func, insert, select, update

from reconciler.core.errors import Unavailable
from reconciler.core.resync import Remembered
from reconciler.store.ledger import folder_state
from reconciler.store.tables import folders, mails, raw_mails, resyncs

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Renumbering:
    """What becomes of a folder's rows. `same`: rows by their new UID; `stale`: UIDs that lose their row, None: all.

    `left` are UIDs that count as left behind from now on; `unknown` is how many mails matched nothing.
    """

    account_key: int
    folder: str
    was: int
    now: int
    same: Mapping[str, int]
    stale: Collection[str] | None
    left: Collection[str]
    unknown: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided what about unknown mails, when and why: `matched` (nobody had to), `adopt` or `fetch-unknown`."""

    how: str
    reason: str
    by: str
    at: datetime


def remembered(connection: Connection, account_key: int, folder: str) -> list[Remembered]:
    """All mails ever stored from this folder, oldest first, whatever its UIDVALIDITY was then."""
    query = (
        select(mails.c.id, mails.c.uid, mails.c.size, mails.c.internal_date, mails.c.sha256)
        .where(mails.c.account_key == account_key, mails.c.folder == folder)
        .order_by(mails.c.id)
    )
    return [Remembered(*row) for row in connection.execute(query)]


def raw_of(connection: Connection, rows: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """The bytes of these rows, a few hundred at a time."""
    ordered = sorted(rows)
    for start in range(0, len(ordered), _CHUNK):
        query = select(raw_mails.c.mail_id, raw_mails.c.data)
        chunk = query.where(raw_mails.c.mail_id.in_(ordered[start : start + _CHUNK]))
        yield from ((row.mail_id, row.data) for row in connection.execute(chunk))


def renumber(connection: Connection, change: Renumbering, decision: Decision) -> None:
    """Carry it out. Raises Unavailable if the folder has been renumbered meanwhile.

    A row that loses its UID keeps it as text behind which its id stands, so that the UID is free for another mail. The
    server has nothing more to be told about it.
    """
    state = folder_state(connection, change.account_key, change.folder)
    if state is None or state.uidvalidity != change.was:
        raise Unavailable(f"{change.folder or 'the mailbox'} was looked at by another command meanwhile; try again")
    _free_uids(connection, change, decision.at)
    if change.same:
        connection.execute(
            update(mails).where(mails.c.id == bindparam("row")).values(uid=bindparam("new"), uidvalidity=change.now),
            [{"row": row, "new": uid} for uid, row in change.same.items()],
        )
    kept = state.left_behind if change.stale is not None else frozenset()
    left = "\n".join(sorted(kept.union(change.left))).encode()
    here = (folders.c.account_key == change.account_key, folders.c.folder == change.folder)
    connection.execute(update(folders).where(*here).values(uidvalidity=change.now, left_behind=left))
    connection.execute(
        insert(resyncs).values(
            account_key=change.account_key,
            folder=change.folder,
            uidvalidity_was=change.was,
            uidvalidity_now=change.now,
            matched=len(change.same),
            unknown=change.unknown,
            decision=decision.how,
            reason=decision.reason,
            by=decision.by,
            at=decision.at,
        )
    )


def _free_uids(connection: Connection, change: Renumbering, now: datetime) -> None:
    """Take their UIDs from the rows concerned; those that get none back count as acknowledged."""
    here = (
        mails.c.account_key == change.account_key,
        mails.c.folder == change.folder,
        mails.c.uidvalidity == change.was,
    )
    query = select(mails.c.id, mails.c.uid).where(*here)
    concerned = [r.id for r in connection.execute(query) if change.stale is None or r.uid in change.stale]
    again = set(change.same.values())
    former = mails.c.uid + "@" + cast(mails.c.uidvalidity, String) + "#" + cast(mails.c.id, String)
    for start in range(0, len(concerned), _CHUNK):
        chunk = concerned[start : start + _CHUNK]
        gone = [row for row in chunk if row not in again]
        told = case((mails.c.id.in_(gone), func.coalesce(mails.c.acknowledged_at, now)), else_=mails.c.acknowledged_at)
        connection.execute(update(mails).where(mails.c.id.in_(chunk)).values(uid=former, acknowledged_at=told))
