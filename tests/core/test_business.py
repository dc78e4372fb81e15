"""When a tenant next works: a table of weeks, holidays and changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.business import next_open
from reconciler.core.tenant_settings import Hours


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BERLIN = {"zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        ({}, "2026-03-02T12:00", "2026-03-02T12:00"),
        ({}, "2026-03-02T07:59", "2026-03-02T08:00"),
        ({}, "2026-03-02T18:00", "2026-03-03T08:00"),
        ({}, "2026-03-06T20:00", "2026-03-09T08:00"),
        ({"holidays": ["2026-03-09"]}, "2026-03-06T20:00", "2026-03-10T08:00"),
        (BERLIN, "2026-03-27T20:00", "2026-03-30T06:00"),
        (BERLIN, "2026-03-26T20:00", "2026-03-27T07:00"),
        ({"days": ["sun"]}, "2026-03-02T12:00", "2026-03-08T08:00"),
    ],
    ids=["open", "early", "late", "weekend", "holiday", "summer-time", "winter-time", "sunday"],
)
def test_what_falls_outside_waits_for_the_next_day_of_work(hours: dict[str, Any], now: str, expected: str) -> None:
    assert next_open(Hours.model_validate(hours), at(now)) == at(expected)


def test_without_hours_it_is_always_time() -> None:
    assert next_open(None, at("2026-03-01T03:00")) == at("2026-03-01T03:00")


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": "Mars/Olympus"},
        {"zone": "../../etc/passwd"},
        {"from": "8"},
        {"from": "18:00", "to": "08:00"},
        {"holidays": ["25.12."]},
        {"days": []},
    ],
    ids=str,
)
def test_hours_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Hours.model_validate(wrong)
