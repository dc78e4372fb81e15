"""Follows a branch: fetches it in time, lets only a head pass that may, and reads the accounts at that commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from reconciler.core.commit import Advance, Commit
from reconciler.core.errors import Unsafe
from reconciler.source.git import Mirror
from reconciler.source.listing import Listing
from reconciler.store.database import Store
from reconciler.store.heads import follow, read_head, rewrite_allowed
from reconciler.store.lease import Lease


class FollowedBranch:
    """A branch as a place of desired state. The head is remembered before anything of it is applied.

    `seconds`: how long a fetched head is taken for the newest.
    """

    def __init__(
        self,
        mirror: Mirror,
        store: Store,
        lease: Lease,
        seconds: float,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirror, self._store, self._lease = mirror, store, lease
        self._seconds, self._clock, self._monotonic = seconds, clock, monotonic
        self._head: Commit | None = None
        self._listing: Listing | None = None
        self._due = 0.0

    def __str__(self) -> str:
        return str(self._mirror)

    def renew(self) -> None:
        """Fetch at the next look; safe in a signal handler."""
        self._due = 0.0

    def listed(self) -> Listing:
        """The accounts at the commit to apply; read once.

        Raises Unavailable while the branch or the folder in it cannot be had, Unsafe if the head may not pass.
        """
        if self._listing is None or self._monotonic() >= self._due:
            self._due = self._monotonic() + self._seconds
            head = self._mirror.fetch()
            if head != self._head:
                self._pass(head)
                self._head, self._listing = head, None
            if self._listing is None:
                self._listing = self._mirror.listed(head)
        return self._listing

    def written(self, file: str) -> float | None:  # noqa: ARG002 (as every place answers)
        """None: what is committed is whole."""
        return None

    def _pass(self, head: Commit) -> None:
        source = str(self)
        with self._store.read() as connection:
            old = read_head(connection, source)
            allowed = rewrite_allowed(connection, head.id)
        descends = old is None or self._mirror.descends(head.id, old)
        advance = Advance(old, head.id, descends, allowed, self._mirror.unsigned(head.id, old))
        if (refusal := advance.refusal) is not None:
            raise Unsafe(f"{source}: {refusal}")
        with self._store.write() as connection:
            self._lease.verify(connection)
            follow(connection, source, head.id, self._clock())
