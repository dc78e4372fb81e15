"""Moves mails on servers without MOVE, by a copy and a deletion, so that what ends in between makes no second copy.

Where copies will begin is durable before the first one; what may have been copied is looked for from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import partial

from sqlalchemy import Connection

from reconciler.core.fetch import Listing, Mark
from reconciler.core.reuse import already_there
from reconciler.protocol.base import Acknowledged
from reconciler.runtime.asking import Asking, acknowledge, came_since, copy, mark_folder, read, write
from reconciler.runtime.cursor import Place
from reconciler.runtime.faults import reach
from reconciler.store import ledger


class Before(Enum):
    """What may have been copied before: nothing, others of the folder (and none of these), or some of these."""

    NOTHING = "nothing"
    OTHERS = "others"
    THESE = "these"


def move(account_key: int, listing: Listing, uids: Sequence[str], move_to: str, before: Before) -> Asking[Acknowledged]:
    """Move these, in one command where the server has it. Raises what the door raises."""
    here = yield from mark_folder(move_to)
    if here is None:
        moved: Acknowledged = yield from acknowledge(listing, uids, "move", move_to)
        return moved
    key, folder = account_key, listing.folder
    noted = yield from read(lambda c: ledger.copy_mark(c, key, folder, move_to))
    begins = here if before is Before.NOTHING else _begins(here, noted)
    if begins != noted:
        yield from write(lambda c: ledger.save_copy_mark(c, key, folder, begins))
    there: frozenset[str] = frozenset()
    if before is Before.THESE and begins != here:
        shown = yield from came_since(begins)
        place = (listing.folder, listing.uidvalidity)
        raws = yield from read(partial(_stored, account_key=key, place=place, uids=uids))
        there = already_there(raws, shown)
    copied = there | (yield from _copied(listing, [uid for uid in uids if uid not in there], move_to))
    reach("copied")
    deleted = yield from acknowledge(listing, [uid for uid in uids if uid in copied], "delete", None)
    return Acknowledged(deleted.done, deleted.refused | (frozenset(uids) - copied))


def _begins(here: Mark, noted: Mark | None) -> Mark:
    """From where on copies may stand; anywhere, if the folder has given out its UIDs anew."""
    if noted is None:
        return here
    return noted if noted.uidvalidity == here.uidvalidity else Mark(here.folder, here.uidvalidity, 1)


def _copied(listing: Listing, uids: Sequence[str], to: str) -> Asking[frozenset[str]]:
    if not uids:
        return frozenset()
    answer = yield from copy(listing, uids, to)
    return answer.done


def _stored(connection: Connection, account_key: int, place: Place, uids: Sequence[str]) -> Mapping[str, bytes]:
    return {uid: ledger.stored_raw(connection, account_key, *place, uid) for uid in uids}
