"""Renders suspensions: those in force and those that were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from reconciler.core.suspension import Suspension
from reconciler.report.terminal import columns, instant, visible


def suspension_json(suspension: Suspension) -> dict[str, Any]:
    """A suspension; `ended_at`, `ended_by` and `end_reason` are null unless somebody ended it before its time."""
    return {
        "activity": suspension.activity,
        "target": str(suspension.target),
        "reason": suspension.reason,
        "by": suspension.by,
        "since": instant(suspension.since),
        "until": instant(suspension.until),
        "ended_at": instant(suspension.ended_at),
        "ended_by": suspension.ended_by,
        "end_reason": suspension.end_reason,
    }


def suspensions_text(suspensions: Sequence[Suspension], now: datetime) -> str:
    """One line per suspension, the oldest first."""
    rows = [
        (
            str(s.activity),
            visible(str(s.target)),
            f"since {instant(s.since)}",
            _end(s, now),
            visible(s.by),
            visible(s.reason),
        )
        for s in suspensions
    ]
    return "".join(line + "\n" for line in columns(rows)) or "nothing is suspended\n"


def _end(suspension: Suspension, now: datetime) -> str:
    if suspension.ended_at is not None:
        why = f" ({suspension.end_reason})" if suspension.end_reason else ""
        return visible(f"ended {instant(suspension.ended_at)} by {suspension.ended_by}{why}")
    return f"{'until' if suspension.in_force(now) else 'expired'} {instant(suspension.until)}"
