"""When a tenant works: the next instant inside its hours, across weekends, holidays and changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reconciler.core.tenant_settings import Hours, Weekday

_LONGEST_BREAK = 400
"""Days; a calendar without any working day in so long is no calendar, and the instant itself counts."""

_DAYS = tuple(Weekday)


def next_open(hours: Hours | None, at: datetime) -> datetime:
    """`at` if the tenant works then (always without hours), else when it next begins to; aware, in UTC."""
    if hours is None:
        return at
    zone = ZoneInfo(hours.zone)
    local = at.astimezone(zone)
    for ahead in range(_LONGEST_BREAK):
        day = (local + timedelta(days=ahead)).date()
        if _DAYS[day.weekday()] not in hours.days or day in hours.holidays:
            continue
        begin = datetime.combine(day, hours.from_, zone).astimezone(UTC)
        end = datetime.combine(day, hours.to, zone).astimezone(UTC)
        if at < end:
            return max(at, begin)
    return at
