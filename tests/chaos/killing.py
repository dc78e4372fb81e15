"""Starts the program again and again, each time to die: at a named point, or from outside at any instant."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.warm import Started, warm
from tests.world import World

POINTS = {
    "stored": "stored, the server not told",
    "acknowledged": "the server told, that not written down",
    "decided": "decided, nothing written",
    "committed": "decision and effects written",
    "sent": "DATA accepted, that not written down",
    "marked": "marked sent",
}
"""Each must be died at; more are tried (`MORE`), but not counted on."""

MORE = {
    "fetched": "fetched, nothing stored",
    "finished": "the session finished (POP3: QUIT), that not written down",
    "sending": "claimed, not sent",
}
OUTSIDE = "outside"

_SHARE_MORE = 0.04
_START_SECONDS = 20.0
_DIES_EARLY = 0.25
_LOOK_SECONDS = 0.02


class Nudged(Protocol):
    """What goes on beside the kills."""

    def nudge(self) -> None:
        """Have something happen: somebody waits for it."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a life lasts: nudges and seconds between them until a named point is given up; seconds from outside."""

    nudges: int = 10
    nudge_seconds: float = 2.0
    lives_seconds: float = 2.5


def schedule(
    rng: random.Random, kills: int, points: Collection[str] = POINTS, more: Collection[str] = MORE, share: float = 0.13
) -> list[str]:
    """Where to die, in this order; each of `points` has this share."""
    named = [point for point in points for _ in range(max(1, round(kills * share)))]
    named += [point for point in more for _ in range(round(kills * _SHARE_MORE))]
    rng.shuffle(named)
    plan = named[:kills]
    plan += [OUTSIDE] * (kills - len(plan))
    rng.shuffle(plan)
    return plan


class Killer:
    """Kills a run of the program by a schedule; `died` counts where."""

    def __init__(self, world: World, traffic: Nudged, rng: random.Random, patience: Patience = Patience()) -> None:
        self._world, self._traffic, self._rng, self._patience = world, traffic, rng, patience
        self.died: Counter[str] = Counter()

    def kill(self, point: str, meanwhile: Callable[[], None] | None = None) -> bool:
        """Start the program and have it die at the point. False if that was not reached: it died from outside then.

        With `meanwhile` it dies from outside, once that is over. Raises AssertionError if the program ends by itself.
        """
        nth = 0 if point == OUTSIDE else self._rng.randint(1, max(1, min(6, self._at_hand(point))))
        fault = {"RECONCILER_FAULTS": f"{point}#{nth}=kill"} if nth else {}
        with (self._world.path / "run.log").open("ab") as log:
            begins = log.tell()
            process = warm().start(
                ["run"],
                env=self._world.environment | fault,
                cwd=self._world.path,
                stdout=log.fileno(),
                stderr=log.fileno(),
                start_new_session=True,
            )
        try:
            code = self._watch(process) if nth else self._live(process, Path(log.name), begins, meanwhile)
        finally:
            # Its router process too, as a power cut would.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert code in (None, -signal.SIGKILL), f"the program ended by itself with {code}; see {log.name}"
        self.died[point if code is not None else OUTSIDE] += 1
        return code is not None or point == OUTSIDE

    def _watch(self, process: Started) -> int | None:
        """Its exit code, None if it still lives when patience ends; while nothing happens a customer writes."""
        for _ in range(self._patience.nudges):
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(self._patience.nudge_seconds)
            self._traffic.nudge()
        return None

    def _live(self, process: Started, log: Path, begins: int, meanwhile: Callable[[], None] | None) -> int | None:
        """Let it live for a while, mostly beyond its start; its exit code, None if it lives still."""
        if meanwhile is None and self._rng.random() < _DIES_EARLY:
            time.sleep(self._rng.uniform(0.0, 1.0))
            return process.poll()
        end = time.monotonic() + _START_SECONDS
        while b"run.started" not in log.read_bytes()[begins:] and process.poll() is None and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        if meanwhile is not None:
            meanwhile()
        else:
            time.sleep(self._rng.uniform(0.0, self._patience.lives_seconds))
        return process.poll()

    def _at_hand(self, point: str) -> int:
        """How often the point can be reached with what waits now."""
        query = {
            "decided": "SELECT count(*) FROM mails WHERE state = 'received'",
            "committed": "SELECT count(*) FROM mails WHERE state = 'received'",
            "sent": "SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')",
            "marked": "SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')",
        }.get(point, "SELECT 2")
        with closing(sqlite3.connect(self._world.path / "state.db", timeout=20)) as connection:
            return int(connection.execute(query).fetchone()[0])
