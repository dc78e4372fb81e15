"""Mails that arrive all the time in the mailboxes of a fetch campaign, each with a marker; nobody answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tests.chaos.mailboxes import Mailbox
from tests.chaos.servers import Servers
from tests.chaos.traffic import REQUEST, marker
from tests.world import mail

_PAUSE_SECONDS = 0.05
_AT_ONCE = 5


class Arrivals:
    """Puts mails into mailboxes in a thread of its own, as fast as they are allowed.

    `delivered` says which mailbox each marker was put into. While `servers.busy` is held nothing arrives.
    """

    def __init__(self, servers: Servers, mailboxes: Sequence[Mailbox], wanted: int) -> None:
        self._servers, self._mailboxes, self.wanted = servers, mailboxes, wanted
        self.delivered: dict[str, Mailbox] = {}
        self.error: Exception | None = None
        self._number = self._allowed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="arrivals", daemon=True)

    @property
    def is_complete(self) -> bool:
        """Whether all that is wanted has arrived."""
        return self._number >= self.wanted

    def start(self) -> None:
        """Begin; nothing arrives before it is allowed."""
        self._thread.start()

    def allow(self, mails: int) -> None:
        """From now on so many mails may have arrived in all."""
        self._allowed = min(max(self._allowed, mails), self.wanted)

    def nudge(self) -> None:
        """Some mails more, beyond what was wanted if need be: somebody waits for something to happen."""
        self.wanted = max(self.wanted, self._number + _AT_ONCE)
        self.allow(self._number + _AT_ONCE)

    def stop(self) -> None:
        """End, and raise what ended it before."""
        self._stop.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            try:
                with self._servers.busy:
                    for _ in range(min(_AT_ONCE, self._allowed - self._number)):
                        self._deliver()
            except Exception as error:
                self.error = error
                return

    def _deliver(self) -> None:
        # In turn, so that a few mails come to every way of fetching.
        number, to = self._number, self._mailboxes[self._number % len(self._mailboxes)]
        self._number += 1
        sender = f"Customer <customer-{number}@customer.example>"
        raw = mail(sender, to.address, f"Parcel {number}", f"Where is it?\n{marker(REQUEST, number)}")
        self._servers.of(to.way).deliver(to.address, f"Delivered-To: {to.address}\r\n".encode() + raw)
        self.delivered[marker(REQUEST, number)] = to
