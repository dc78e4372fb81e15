"""What is remembered of an account between two steps over one connection; holds no connection itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from reconciler.core.fetch import Listed, Listing
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
    of in this step. None: not read from the ledger yet.
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
