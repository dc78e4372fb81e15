"""When an account takes its next step: cycles, backlog at once, poll intervals and back-off; no clock and no thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

LONGEST_BACKOFF = timedelta(minutes=15)
FIRST_BACKOFF = timedelta(seconds=5)
REFUSED_BACKOFF = timedelta(minutes=5)
WATCH_RENEWAL = timedelta(minutes=8, seconds=30)
"""An account whose server tells of new mail by itself still has a step this often: servers and routers in between
forget idle connections (RFC 2177 says within 29 minutes, many do within 10)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Where an account stands in the schedule. `failures` counts the steps in a row that went wrong.

    `is_first`: it has had no step yet, or none since it was changed. `paused_until`: its own bounds forbid to take more
    of the backlog before.
    """

    next_at: datetime
    backlog: int = 0
    failures: int = 0
    is_first: bool = False
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended, as far as the schedule cares. `wait` is what the server asked for, in seconds.

    `pause` is how long the account's own bounds forbid to take more.
    """

    failed: bool
    permanent: bool
    backlog: int | None
    wait: float | None
    pause: float | None = None


def after_step(
    turn: Turn, end: StepEnd, poll: timedelta, now: datetime, jitter: float, longest: timedelta = LONGEST_BACKOFF
) -> Turn:
    """The turn after a step: at once with a backlog, at the poll interval without, later and later after failures.

    `jitter` is a number from 0 to 1 that spreads retries over a quarter of the wait, which is `longest` at most; what
    the server asked for counts in full.
    """
    if not end.failed:
        backlog = end.backlog or 0
        pause = timedelta(seconds=end.pause or 0)
        rest = max(timedelta() if backlog else poll, timedelta(seconds=end.wait or 0), pause)
        return Turn(now + rest, backlog, 0, paused_until=now + pause if pause else None)
    failures = turn.failures + 1
    wait = REFUSED_BACKOFF if end.permanent else FIRST_BACKOFF * 2 ** min(failures - 1, 10)
    wait = min(wait, longest) * (1 + jitter / 4)
    if end.wait is not None:
        wait = max(wait, timedelta(seconds=end.wait))
    return replace(turn, next_at=now + wait, failures=failures, is_first=False)


def rest_of(poll: timedelta, *, watched: bool) -> timedelta:
    """How long an account without backlog rests: its poll interval, or longer where its server tells of new mail."""
    return max(poll, WATCH_RENEWAL) if watched else poll


def woken(turn: Turn, now: datetime) -> Turn:
    """The turn of an account whose server has news: at once, unless it waits after a failure or for its own bounds."""
    soonest = max(now, turn.paused_until) if turn.paused_until is not None else now
    return turn if turn.failures else replace(turn, next_at=min(turn.next_at, soonest))


def asked(turn: Turn, now: datetime) -> Turn:
    """The turn of an account that a person wants to have its step: at once, whatever went wrong before."""
    return replace(turn, next_at=min(turn.next_at, now))


def unwatched(turn: Turn, poll: timedelta, now: datetime) -> Turn:
    """The turn of an account whose server cannot tell of new mail any more: at its poll interval, if not earlier."""
    return replace(turn, next_at=min(turn.next_at, now + poll))


class Pending:
    """The accounts of a cycle that still wait for their step, in groups of which each may be held up by itself.

    An account held up (no connection to its host may be opened now) holds up the others of its group, no other group.
    """

    def __init__(self, keys: Iterable[tuple[int, Hashable]]) -> None:
        self._groups: dict[Hashable, deque[int]] = {}
        for key, group in keys:
            self._groups.setdefault(group, deque()).append(key)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def startable(self, may_start: Callable[[int], bool]) -> Iterator[int]:
        """Take out, one group in turn after the other, whoever may start now; each is asked about when it is next."""
        waiting = deque(self._groups.items())
        while waiting:
            group, keys = waiting.popleft()
            if not may_start(keys[0]):
                continue
            yield keys.popleft()
            if keys:
                waiting.append((group, keys))
            else:
                del self._groups[group]

    def clear(self) -> None:
        """Let nobody start any more."""
        self._groups.clear()


def due(turns: Mapping[int, Turn], running: Mapping[int, object], now: datetime) -> list[int]:
    """The accounts to which a cycle that opens now gives a step: due, and without a running one; longest due first."""
    ready = [(turn.next_at, key) for key, turn in turns.items() if turn.next_at <= now and key not in running]
    return [key for _, key in sorted(ready)]


def next_opening(turns: Mapping[int, Turn], running: Mapping[int, object]) -> datetime | None:
    """When the next cycle has something to do; None if nothing is scheduled."""
    return min((turn.next_at for key, turn in turns.items() if key not in running), default=None)
