"""What the engine asks of whoever carries out steps: a thread for each, or one loop for all."""

from __future__ import annotations

from typing import Protocol

from reconciler.runtime.fleet import FetchAccount


class Door(Protocol):
    """Carries out steps and keeps the connections between them. Every step that was started is reported once.

    All methods belong to the engine's thread.
    """

    def is_open(self, key: int) -> bool:
        """Whether the account has a connection to go on with."""
        ...

    def can_start(self, account: FetchAccount, /) -> bool:
        """Whether a step of this account may begin now, as far as connections go."""
        ...

    def start(self, account: FetchAccount) -> None:
        """Begin a step; the account has none in hand."""
        ...

    def late(self, key: int) -> None:
        """The account's step is late: it must not stand in anyone's way."""
        ...

    def abort(self, key: int) -> None:
        """The step has reached its deadline: cut its connection."""
        ...

    def drop(self, key: int) -> None:
        """Close the account's connection, for it is fetched no longer, or differently; never waits."""
        ...

    def watches(self, key: int, /) -> bool:
        """Whether the account's server tells of new mail by itself now."""
        ...

    def check(self, now: float) -> None:
        """Look after deadlines; called several times a second. `now` in monotonic seconds."""
        ...

    def finish(self) -> None:
        """Close every connection; waits no longer than a command may take."""
        ...
