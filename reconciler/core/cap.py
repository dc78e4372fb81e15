"""How many mails may go to one recipient in how long: what ends a loop that nothing else has recognised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` mails in `window`; of one case, or over all cases of all tenants."""

    most: int
    window: timedelta
    of_case: bool


CAPS = (
    Cap(10, timedelta(minutes=10), of_case=True),
    Cap(25, timedelta(hours=1), of_case=True),
    Cap(30, timedelta(minutes=10), of_case=False),
)
LONGEST_WINDOW = max(cap.window for cap in CAPS)


@dataclass(frozen=True, slots=True)
class SentBefore:
    """A mail of ours to the same recipient: of which case, and when it was written."""

    case_id: int
    at: datetime


def reached(before: Iterable[SentBefore], case_id: int, now: datetime) -> str | None:
    """Which cap one more mail of the case would break, in words; None if it may go."""
    before = tuple(before)
    for cap in CAPS:
        counted = sum(
            1 for sent in before if sent.at > now - cap.window and (sent.case_id == case_id or not cap.of_case)
        )
        if counted >= cap.most:
            minutes = int(cap.window.total_seconds()) // 60
            where = f"for case C{case_id}" if cap.of_case else "in all"
            return f"{counted} mails went to this recipient in {minutes} minutes {where}; {cap.most} may"
    return None
