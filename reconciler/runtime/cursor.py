"""What is remembered of an account between two steps over one connection; holds no connection itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconciler.core.fetch import Listed, Listing
from reconciler.core.pace import Pace, Pause
from reconciler.core.unstored import Unstored
from reconciler.runtime.recheck import Recheck
from reconciler.store import ledger

Place = tuple[str, int]
"""A folder and its UIDVALIDITY."""
Told = tuple[str, str | None]
"""`after_fetch` and `move_to`, as they were when the mail was stored."""


@dataclass(slots=True)
class Cursor:
    """What is remembered of an account's folders between two steps, so that the ledger is read once a connection.

    `numbered` are the folders whose next UID was compared with those known. `waiting` are the mails of `listed` that
    are still to be taken. `untold` is how the server is to be told of stored mails, by UID, for each folder and
    UIDVALIDITY; `pending` are those of which it was told and has not answered yet; `refused` those it would not hear
    of in this step. None: not read from the ledger yet. `unstored` are mails that the store refused.
    `pace` is what was taken lately, where the account has bounds; `pause` is why this step left something.
    """

    known: dict[str, set[str]] = field(default_factory=dict)
    states: dict[str, ledger.FolderState] = field(default_factory=dict)
    too_large: set[str] = field(default_factory=set)
    listed: Listing | None = None
    waiting: deque[Listed] = field(default_factory=deque)
    untold: dict[Place, dict[str, Told]] | None = None
    checked: Recheck = field(default_factory=Recheck)
    numbered: set[str] = field(default_factory=set)
    pending: dict[Place, set[str]] = field(default_factory=dict)
    refused: dict[Place, set[str]] = field(default_factory=dict)
    turn: int = 0
    unstored: dict[tuple[Place, str], Unstored] = field(default_factory=dict)

    pace: Pace | None = None
    pause: Pause | None = None

    def renewed(self) -> Cursor:
        """The cursor for the next connection: without what the server or the ledger tell anew."""
        return Cursor(turn=self.turn, unstored=self.unstored, pace=self.pace)

    def forget_unstored(self, listing: Listing) -> None:
        """What a fresh listing of a folder does not show any more was dealt with there, or has another UID."""
        place, there = (listing.folder, listing.uidvalidity), {mail.uid for mail in listing.mails}
        for key in [k for k in self.unstored if k[0][0] == listing.folder and (k[0] != place or k[1] not in there)]:
            del self.unstored[key]

    def left_to_tell(self, listing: Listing) -> Mapping[str, Told]:
        """What is stored of this folder and neither told nor being told, but for UIDs that may mean another mail."""
        place = (listing.folder, listing.uidvalidity)
        untold, pending = (self.untold or {}).get(place, {}), self.pending.get(place, set())
        if len(untold) == len(pending):
            return {}
        doubtful = self.checked.reused | self.checked.untold if listing.present else frozenset()
        return {uid: told for uid, told in untold.items() if uid not in pending and uid not in doubtful}

    def has_others(self, folder: str, uids: Collection[str], told: Told) -> bool:
        """Whether further mails of this folder are still to be told of in the same way."""
        places = [mails for place, mails in (self.untold or {}).items() if place[0] == folder]
        return any(how == told and uid not in uids for mails in places for uid, how in mails.items())
