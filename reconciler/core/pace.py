"""How many mails an account's own bounds allow a step to take now, and until when it rests else; knows no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum


class Bound(StrEnum):
    """The keys of an account that bound what is fetched from it."""

    BYTES_PER_DAY = "bytes_per_day"
    MESSAGES_PER_SECOND = "messages_per_second"


@dataclass(frozen=True, slots=True)
class Bounds:
    """An account's bounds; None: without. A day begins at midnight UTC."""

    bytes_per_day: int | None = None
    messages_per_second: float | None = None

    def __bool__(self) -> bool:
        return self != Bounds()

    @property
    def burst(self) -> float:
        """How many mails may be taken at once after a rest: what a second allows, at least one."""
        return max(1.0, self.messages_per_second or 0.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """What was taken: so many bytes on this day, and so many mails (`tokens`) may be taken at once at this instant."""

    day: date
    taken: int
    tokens: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """Something was left because of this bound; more may be taken from this instant on."""

    bound: Bound
    until: datetime


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many of the mails, from the first, may be taken now; `pause` if that is not all of them."""

    mails: int
    pause: Pause | None = None


def begin(bounds: Bounds, taken: int, now: datetime) -> Pace:
    """The pace of an account of which nothing is remembered but how many bytes were taken today."""
    return Pace(now.astimezone(UTC).date(), taken, bounds.burst, now)


def at(bounds: Bounds, pace: Pace, now: datetime) -> Pace:
    """The pace at a later instant. A clock that was set back neither gives nor takes anything."""
    today = now.astimezone(UTC).date()
    rate = bounds.messages_per_second or 0.0
    tokens = pace.tokens + max(0.0, (now - pace.at).total_seconds()) * rate
    return Pace(today, pace.taken if today <= pace.day else 0, min(tokens, bounds.burst), now)


def allowed(bounds: Bounds, pace: Pace, sizes: Sequence[int], now: datetime) -> Allowance:
    """How many mails of these sizes (0: not known) may be taken now, in their order.

    The first mail of a day always may, for one that is larger than a day's bytes would else never be taken.
    """
    pace = at(bounds, pace, now)
    fits = len(sizes) if bounds.bytes_per_day is None else _fitting(bounds.bytes_per_day, pace.taken, sizes)
    pause = Pause(Bound.BYTES_PER_DAY, _next_midnight(now)) if fits < len(sizes) else None
    if bounds.messages_per_second is None:
        return Allowance(fits, pause)
    count = min(fits, int(pace.tokens + 1e-6))
    if count == fits:
        return Allowance(count, pause)
    wanted = max(1, min(fits - count, int(bounds.burst)))
    seconds = (wanted - (pace.tokens - count)) / bounds.messages_per_second
    until = now + timedelta(seconds=seconds) + timedelta.resolution
    return Allowance(count, Pause(Bound.MESSAGES_PER_SECOND, until))


def after(bounds: Bounds, pace: Pace, mails: int, size: int, now: datetime) -> Pace:
    """The pace once so many mails of so many bytes together were fetched."""
    pace = at(bounds, pace, now)
    return replace(pace, taken=pace.taken + size, tokens=max(0.0, pace.tokens - mails))


def midnight_before(now: datetime) -> datetime:
    """When this day began."""
    return datetime.combine(now.astimezone(UTC).date(), time.min, tzinfo=UTC)


def _next_midnight(now: datetime) -> datetime:
    return midnight_before(now) + timedelta(days=1)


def _fitting(most: int, taken: int, sizes: Sequence[int]) -> int:
    for number, size in enumerate(sizes):
        if taken and taken + max(size, 1) > most:
            return number
        taken += size
    return len(sizes)
