"""A fetched mail that the store refuses: how long it is left alone on its server before it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_REST = timedelta(minutes=5)
LONGEST_REST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Unstored:
    """A mail that was not stored: why (no content of it), how often in a row, and when it is tried again."""

    reason: str
    refusals: int
    next_at: datetime

    def rests(self, now: datetime) -> bool:
        """Whether it is left alone at this instant; a clock that was set back by days does not prolong the rest."""
        return now < self.next_at <= now + LONGEST_REST


def refused(before: Unstored | None, reason: str, now: datetime) -> Unstored:
    """The mail after a refusal: it rests five minutes at first, then twice as long each time, a day at most."""
    refusals = before.refusals + 1 if before is not None else 1
    return Unstored(reason, refusals, now + min(FIRST_REST * 2 ** min(refusals - 1, 16), LONGEST_REST))
