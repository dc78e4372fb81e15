"""Looks whether UIDs on a server still mean the mails stored under them, before anything is deleted by them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.core.fetch import Listing
from reconciler.core.reuse import Stored, doubtful, is_same_mail
from reconciler.runtime.asking import Asking, heads, read
from reconciler.store import ledger

MOST_HEADS = 50
"""Headers asked for after one listing; a doubtful UID beyond them is left alone until a later session."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """UIDs that mean another mail than the stored one, and those of which that cannot be told yet."""

    reused: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()


def recheck(listing: Listing, account_key: int, sure: Collection[str]) -> Asking[Recheck]:
    """Compare a listing's doubtful UIDs, but those that are `sure`, with the ledger. Raises what the door raises."""
    if listing.uidvalidity or not listing.present:
        return Recheck()
    place = (account_key, listing.folder, listing.uidvalidity)
    rows = yield from read(lambda c: ledger.stored_mails(c, *place))
    stored = {mail.uid: mail for mail in rows if mail.uid not in sure}
    suspects = doubtful(stored.values(), listing.present)
    shown = (yield from heads(listing, suspects[:MOST_HEADS])) if suspects else {}
    raws = yield from read(lambda c: {uid: ledger.stored_raw(c, *place, uid) for uid in shown})
    reused = {uid for uid, head in shown.items() if not is_same_mail(raws[uid], head)}
    reused |= {uid for uid in suspects[:MOST_HEADS] if uid not in shown and _looks_other(stored[uid], listing)}
    return Recheck(frozenset(reused), frozenset(suspects[MOST_HEADS:]))


def _looks_other(mail: Stored, listing: Listing) -> bool:
    """Without a header only the size is left to go by; it decides only where a deletion is at stake."""
    return not mail.acknowledged and listing.present[mail.uid] not in (None, mail.size)
