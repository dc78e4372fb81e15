"""The program's clocks: what time it is, and how long something takes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

STEADY_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""What the steady clock never falls below."""


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def steady_now() -> datetime:
    """An instant to measure waits from, whatever happens to the wall clock meanwhile; its date means nothing."""
    return STEADY_BEGINNING + timedelta(seconds=time.monotonic())
