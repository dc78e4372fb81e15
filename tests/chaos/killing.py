"""Starts the program again and again, each time to die: at a named point, or from outside at any instant."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.chaos.traffic import Traffic
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

_SHARE, _SHARE_MORE = 0.13, 0.04
_NUDGES, _NUDGE_SECONDS = 10, 2.0
_DIES_EARLY, _LIVES_SECONDS = 0.25, 2.5
_LOOK_SECONDS = 0.02


def schedule(rng: random.Random, kills: int) -> list[str]:
    """Where to die, in this order."""
    named = [point for point in POINTS for _ in range(max(1, round(kills * _SHARE)))]
    more = [point for point in MORE for _ in range(round(kills * _SHARE_MORE))]
    plan = (named + more)[:kills]
    plan += [OUTSIDE] * (kills - len(plan))
    rng.shuffle(plan)
    return plan


class Killer:
    """Kills a run of the program by a schedule; `died` counts where."""

    def __init__(self, world: World, traffic: Traffic, rng: random.Random) -> None:
        self._world, self._traffic, self._rng = world, traffic, rng
        self.died: Counter[str] = Counter()

    def kill(self, point: str) -> bool:
        """Start the program and have it die at the point. False if that was not reached: it died from outside then.

        Raises AssertionError if the program ends by itself.
        """
        nth = 0 if point == OUTSIDE else self._rng.randint(1, max(1, min(6, self._at_hand(point))))
        fault = {"RECONCILER_FAULTS": f"{point}#{nth}=kill"} if nth else {}
        with (self._world.path / "run.log").open("ab") as log:
            begins = log.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", "reconciler", "run"],
                env=self._world.environment | fault,
                cwd=self._world.path,
                stderr=log,
                start_new_session=True,
            )
        try:
            code = self._watch(process) if nth else self._live(process, Path(log.name), begins)
        finally:
            # Its router process too, as a power cut would.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert code in (None, -signal.SIGKILL), f"the program ended by itself with {code}; see {log.name}"
        self.died[point if code is not None else OUTSIDE] += 1
        return code is not None or point == OUTSIDE

    def _watch(self, process: subprocess.Popen[bytes]) -> int | None:
        """Its exit code, None if it still lives when patience ends; while nothing happens a customer writes."""
        for _ in range(_NUDGES):
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(_NUDGE_SECONDS)
            self._traffic.nudge()
        return None

    def _live(self, process: subprocess.Popen[bytes], log: Path, begins: int) -> int | None:
        """Let it live for a while, mostly beyond its start; its exit code, None if it lives still."""
        if self._rng.random() < _DIES_EARLY:
            time.sleep(self._rng.uniform(0.0, 1.0))
            return process.poll()
        end = time.monotonic() + _NUDGES * _NUDGE_SECONDS
        while b"run.started" not in log.read_bytes()[begins:] and process.poll() is None and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        time.sleep(self._rng.uniform(0.0, _LIVES_SECONDS))
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
