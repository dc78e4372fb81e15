"""Heartbeats of a running system's loops, and the watchdog that ends a stuck process rather than pretend."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

import structlog

from reconciler.core.heartbeat import Loop, stale
from reconciler.runtime.holding import RENEW_SECONDS
from reconciler.runtime.observer import Observer
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.systemd import Notifier

log = structlog.get_logger()


def limits_of(settings: RunSettings) -> Mapping[Loop, float]:
    """Seconds between two beats of a loop before it counts as stuck: beyond the longest wait it has by itself.

    What waits for mail servers are steps in threads of their own, never these loops.
    """
    own = {
        Loop.FETCH: settings.step_seconds,
        Loop.ROUTE: settings.route_seconds,
        Loop.SEND: settings.send_seconds + settings.command_seconds,
        Loop.REMIND: settings.remind_seconds,
        Loop.NOTICE: settings.connect_seconds + 10 * settings.command_seconds,
        Loop.LEASE_MAIL: RENEW_SECONDS,
        Loop.LEASE_APPLY: RENEW_SECONDS,
    }
    return {loop: settings.watchdog_seconds + own.get(loop, 0.0) for loop in Loop}


class Heartbeats(Observer):
    """When each loop last went round."""

    def __init__(self, limits: Mapping[Loop, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._beats: dict[Loop, float] = {}

    def beat(self, loop: Loop) -> None:
        """See Observer."""
        self._beats[loop] = self._clock()

    def ended(self, loop: Loop) -> None:
        """See Observer."""
        self._beats.pop(loop, None)

    def ages(self) -> dict[Loop, float]:
        """Seconds since the last beat of each loop that runs."""
        now = self._clock()
        return {loop: max(0.0, now - beat) for loop, beat in dict(self._beats).items()}

    def stale(self) -> tuple[Loop, ...]:
        """The loops that are stuck."""
        return stale(dict(self._beats), self._limits, self._clock())


def _end_now() -> None:
    # Threads that are stuck cannot be asked to end, and what is not committed was not acknowledged to anybody.
    os._exit(1)


class Watchdog:
    """Ends the process when a loop is stuck; as long as none is, the service manager hears that all is well."""

    def __init__(self, beats: Heartbeats, notifier: Notifier, end: Callable[[], None] = _end_now) -> None:
        self._beats, self.notifier, self._end = beats, notifier, end

    def look(self) -> None:
        """To be called several times a second."""
        if stuck := self._beats.stale():
            ages = self._beats.ages()
            log.critical("watchdog.stuck", loops=list(stuck), seconds=round(max(ages.get(s, 0.0) for s in stuck), 1))
            self._end()
            return
        self.notifier.alive()
