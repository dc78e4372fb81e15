"""Keeps accounts' connections to their submission servers for the next step, within a limit; sends nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from reconciler.core.endpoint import SmtpSettings
from reconciler.core.health import Condition
from reconciler.core.schedule import Turn
from reconciler.protocol.base import Limits
from reconciler.protocol.smtp import SmtpConnection, open_connection
from reconciler.runtime.access import Access
from reconciler.runtime.clock import STEADY_BEGINNING
from reconciler.runtime.settings import RunSettings

_CLOSING_SECONDS = 2.0
_AT_ONCE = Turn(STEADY_BEGINNING)


@dataclass(slots=True)
class Line:
    """An account's way to its submission server: used by its step while one runs, by the sender between steps.

    `turn` is by the steady clock, `used_at` in monotonic seconds. `told` is the condition that was written down last.
    """

    connection: SmtpConnection | None = None
    made_of: tuple[str, SmtpSettings] | None = None
    used_at: float = 0.0
    turn: Turn = _AT_ONCE
    told: tuple[Condition, str, float] | None = None

    def opened(self, unit: str, smtp: SmtpSettings, access: Access, limits: Limits) -> None:
        """Have a connection by these settings: the one that is open if its server still answers, or a new one.

        Raises what the door and logging in raise.
        """
        made_of = (unit, smtp.model_copy(update={"per_minute": None}))
        if self.connection is not None and self.made_of == made_of and self.connection.alive():
            return
        self.close()
        self.connection = access.log_in(unit, smtp, limits, lambda secret: open_connection(smtp, secret, limits))
        self.made_of = made_of

    def close(self) -> None:
        """Say goodbye and close what is open."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


class Lines:
    """All accounts' lines, and which may open another connection. Belongs to the thread that starts steps."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._lines: dict[int, Line] = {}
        self._busy: dict[int, float] = {}
        self._closing: list[threading.Thread] = []

    @property
    def busy(self) -> frozenset[int]:
        """Keys of the accounts that have a step running."""
        return frozenset(self._busy)

    def line(self, key: int) -> Line:
        """The account's line."""
        return self._lines.setdefault(key, Line())

    def take(self, key: int) -> Line | None:
        """The account's line for a step; None while all connections there may be are in use."""
        line, now = self.line(key), time.monotonic()
        if line.connection is None and not self._make_room(now):
            return None
        self._busy[key] = now
        return line

    def give_back(self, key: int) -> None:
        """The step has ended; its connection is kept for the next."""
        self._busy.pop(key, None)
        self.line(key).used_at = time.monotonic()

    def rested(self) -> None:
        """Nobody waits any longer: what was wrong may have been mended."""
        for line in self._lines.values():
            line.turn = _AT_ONCE

    def close_idle(self) -> None:
        """Close what no step has used for a while."""
        long_ago = time.monotonic() - self._settings.send_idle_seconds
        for key in self._idle():
            if self._lines[key].used_at <= long_ago:
                self._close(key)

    def close(self) -> None:
        """Close all that no step is using."""
        for key in self._idle():
            self._close(key)
        patience = time.monotonic() + _CLOSING_SECONDS
        for thread in self._closing:
            thread.join(max(0.0, patience - time.monotonic()))

    def _idle(self) -> list[int]:
        """The accounts with a connection that no step uses, the one used longest ago first."""
        keys = (key for key, line in self._lines.items() if key not in self._busy and line.connection is not None)
        return sorted(keys, key=lambda key: self._lines[key].used_at)

    def _make_room(self, now: float) -> bool:
        """A late step leaves its place to others, as a late fetch step does."""
        late = [at for at in self._busy.values() if now - at > self._settings.late_seconds]
        counted = len(self._busy) - min(len(late), self._settings.late_slots)
        idle = self._idle()
        if counted + len(idle) < self._settings.send_connections:
            return True
        if idle:
            self._close(idle[0])
        return bool(idle)

    def _close(self, key: int) -> None:
        """In a thread of its own, for a server may take long to say goodbye."""
        line = self._lines[key]
        left, line.connection = Line(connection=line.connection), None
        thread = threading.Thread(target=left.close, name=f"close {key}", daemon=True)
        self._closing = [one for one in self._closing if one.is_alive()]
        self._closing.append(thread)
        thread.start()
