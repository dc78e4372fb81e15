"""Compares a folder whose UIDs were given out anew with the ledger, and carries out what follows; asks for no step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.fetch import Fetched, Listed, Listing, StartRule, floor_of
from reconciler.core.head import Head, parse_head
from reconciler.core.resync import (
    A_FEW,
    Comparison,
    compare,
    header_digest,
    is_renumbered,
    left_behind_again,
    settle,
    worth_a_look,
)
from reconciler.protocol.base import Session
from reconciler.runtime import asking
from reconciler.runtime.asking import Asking, answered_by_waiting, read
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.recheck import recheck
from reconciler.store import ledger
from reconciler.store import resync as rows
from reconciler.store.database import Store

_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Ground:
    """Whose folder is compared, over which session; mails above `mail_bytes` are never taken and do not count."""

    account: FetchAccount
    session: Session
    store: Store
    mail_bytes: int


def compare_folder(
    account: FetchAccount, listing: Listing, state: ledger.FolderState, *, mail_bytes: int, thorough: bool
) -> Asking[Comparison]:
    """Match what `listing` shows, known mails too, with all that was ever stored from the folder.

    Not `thorough`: returns at once, with what is certain by then, when a person has to decide anyway. Changes nothing;
    raises what the door raises.
    """
    account_key, folder = account.key, listing.folder
    known = yield from read(lambda c: rows.remembered(c, account_key, folder))
    mails = [mail for mail in listing.mails if (mail.size or 0) <= mail_bytes]
    looked, alike = worth_a_look(mails, known)
    seen = {mail.uid for mail in looked}
    strangers = [mail for mail in mails if mail.uid not in seen]
    left = _left(account, strangers, state)
    if not thorough and len(strangers) - len(left) > A_FEW:
        unknown = tuple(mail for mail in strangers if mail.uid not in left)
        return Comparison(folder, state.uidvalidity, listing.uidvalidity, {}, 0, left, unknown)
    shown = yield from asking.heads(listing, [*seen])
    heads = {uid: header_digest(head) for uid, head in shown.items()}
    known_heads = yield from read(lambda c: {row: header_digest(raw) for row, raw in rows.raw_of(c, alike)})
    found = compare(looked, heads, known, known_heads)
    bodies = yield from _bodies(listing, found.ambiguous)
    found = settle(found, known, {mail.uid: hashlib.sha256(mail.raw).digest() for mail in bodies})
    unmatched = [*strangers, *(mail for mail in looked if mail.uid in set(found.unknown))]
    left = _left(account, unmatched, state)
    unknown = tuple(mail for mail in unmatched if mail.uid not in left)
    gone = len(known) - len(found.same)
    before = {one.row: one.uid for one in known}
    in_place = (
        state.uidvalidity == listing.uidvalidity
        and all(before[row] == uid for uid, row in found.same.items())
        and not {mail.uid for mail in unmatched}.intersection(before.values())
    )
    return Comparison(
        folder, state.uidvalidity, listing.uidvalidity, found.same, gone, left, unknown, in_place=in_place
    )


def _bodies(listing: Listing, uids: Sequence[str]) -> Asking[Sequence[Fetched]]:
    if not uids:
        return ()
    wanted = set(uids)
    taken = yield from asking.fetch(listing, uids, sum(m.size or 0 for m in listing.mails if m.uid in wanted))
    if taken.trouble is not None:
        raise taken.trouble
    return taken.mails


def _left(account: FetchAccount, unknown: list[Listed], state: ledger.FolderState) -> frozenset[str]:
    start: StartRule = getattr(account.account.block, "start", "all")
    floor = floor_of(start, account.floor_at)
    return left_behind_again(unknown, start, floor, state.first_contact_at, len(state.left_behind))


def renumbering(account_key: int, found: Comparison, *, adopt: bool) -> rows.Renumbering:
    """What becomes of the ledger; with `adopt` the unknown mails count as left behind."""
    left = found.left | ({mail.uid for mail in found.unknown} if adopt else frozenset())
    return rows.Renumbering(
        account_key, found.folder, found.was, found.now, found.same, found.stale, left, len(found.unknown)
    )


def look(ground: Ground, folder: str | None) -> list[Comparison]:
    """Every folder of the account, or this one, whose UIDs mean other mails than before."""
    folders: tuple[str, ...] = getattr(ground.account.account.block, "folders", ("",))
    found = (_differing(ground, one) for one in folders if folder in (None, one))
    return [one for one in found if one is not None]


def heads_of(ground: Ground, found: Sequence[Comparison]) -> dict[tuple[str, str], Head]:
    """The headers of unknown mails for a person to see, of a folder's first ones only."""
    heads: dict[tuple[str, str], Head] = {}
    for one in found:
        uids = [mail.uid for mail in one.unknown[:_MOST_SHOWN]]
        if uids:
            shown = ground.session.heads(Listing(one.folder, one.now, one.unknown), uids)
            heads |= {(one.folder, uid): parse_head(raw) for uid, raw in shown.items()}
    return heads


def _differing(ground: Ground, folder: str) -> Comparison | None:
    """None for a folder that was never fetched from."""
    key = ground.account.key
    with ground.store.read() as connection:
        state = ledger.folder_state(connection, key, folder)
        known = ledger.known_uids(connection, key, folder, state.uidvalidity) if state is not None else set()
    if state is None:
        return None
    listing = ground.session.list(folder, (), None)
    if is_renumbered(state.uidvalidity, listing, known):
        comparing = compare_folder(ground.account, listing, state, mail_bytes=ground.mail_bytes, thorough=True)
        found = answered_by_waiting(comparing, ground.session, ground.store)
        return None if found.in_place else found
    checked = answered_by_waiting(recheck(listing, key, state.left_behind), ground.session, ground.store)
    reused = checked.reused
    if not reused:
        return None
    shown = {mail.uid: mail for mail in listing.mails}
    others = tuple(shown.get(uid, Listed(uid, listing.present.get(uid))) for uid in sorted(reused))
    return Comparison(folder, 0, 0, {}, 0, frozenset(), others, reused)
