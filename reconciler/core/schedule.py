"""When an account takes its next step: cycles, backlog at once, poll intervals and back-off; no clock and no thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

LONGEST_BACKOFF = timedelta(minutes=15)
FIRST_BACKOFF = timedelta(seconds=5)
REFUSED_BACKOFF = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Turn:
    """Where an account stands in the schedule. `failures` counts the steps in a row that went wrong."""

    next_at: datetime
    backlog: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended, as far as the schedule cares. `wait` is what the server asked for, in seconds."""

    failed: bool
    permanent: bool
    backlog: int | None
    wait: float | None


def after_step(turn: Turn, end: StepEnd, poll: timedelta, now: datetime, jitter: float) -> Turn:
    """The turn after a step: at once with a backlog, at the poll interval without, later and later after failures.

    `jitter` is a number from 0 to 1 that spreads retries over a quarter of the wait.
    """
    if not end.failed:
        backlog = end.backlog or 0
        rest = max(timedelta() if backlog else poll, timedelta(seconds=end.wait or 0))
        return Turn(now + rest, backlog, 0)
    failures = turn.failures + 1
    wait = REFUSED_BACKOFF if end.permanent else min(FIRST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
    wait *= 1 + jitter / 4
    if end.wait is not None:
        wait = max(wait, timedelta(seconds=end.wait))
    return replace(turn, next_at=now + wait, failures=failures)


def due(turns: Mapping[int, Turn], running: Mapping[int, object], now: datetime) -> list[int]:
    """The accounts to which a cycle that opens now gives a step: due, and without a running one; longest due first."""
    ready = [(turn.next_at, key) for key, turn in turns.items() if turn.next_at <= now and key not in running]
    return [key for _, key in sorted(ready)]


def next_opening(turns: Mapping[int, Turn], running: Mapping[int, object]) -> datetime | None:
    """When the next cycle has something to do; None if nothing is scheduled."""
    return min((turn.next_at for key, turn in turns.items() if key not in running), default=None)
