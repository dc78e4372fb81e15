"""What a suspension is about, when it ends, and whom it stops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.errors import Invalid
from reconciler.core.suspension import LONGEST, USUAL, Activity, Suspension, Target, fetchable, parse_target, until_of
from tests.states import NOW


@dataclass(frozen=True)
class Someone:
    unit: str


ACCOUNTS = {1: Someone("acme"), 2: Someone("acme"), 3: Someone("globex"), 4: Someone("main")}


def suspension(target: str, key: int | None = None, activity: Activity = Activity.FETCHING) -> Suspension:
    return Suspension(1, activity, parse_target(target), key, "why", "ada", NOW, NOW + USUAL)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("all", Target()),
        ("all/", Target("all")),
        ("all/support", Target("all", "support")),
        ("acme", Target("acme")),
        ("acme/", Target("acme")),
        ("main/reply", Target("main", "reply")),
    ],
)
def test_a_target_is_read_and_written(text: str, target: Target) -> None:
    assert parse_target(text) == target
    assert parse_target(str(target)) == target


@pytest.mark.parametrize("text", ["", "/", "/support", "Acme", "acme/a/b", "acme support", "../x", "acme/\x1b"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="write TENANT/ID"):
        parse_target(text)


@pytest.mark.parametrize(
    ("one", "left"),
    [
        (suspension("all"), set()),
        (suspension("acme"), {3, 4}),
        (suspension("main"), {1, 2, 3}),
        (suspension("acme/support", 2), {1, 3, 4}),
        (suspension("all", activity=Activity.SENDING), {1, 2, 3, 4}),
    ],
    ids=lambda value: str(value.target) + value.activity if isinstance(value, Suspension) else "",
)
def test_whom_a_suspension_of_fetching_stops(one: Suspension, left: set[int]) -> None:
    assert fetchable(ACCOUNTS, [one]).keys() == left


@pytest.mark.field("suspended")
def test_it_is_over_at_its_instant_or_when_somebody_ends_it() -> None:
    one = suspension("all")
    assert one.in_force(one.until - timedelta(microseconds=1))
    assert not one.in_force(one.until)
    ended = Suspension(1, one.activity, one.target, None, "why", "ada", NOW, one.until, NOW)
    assert not ended.in_force(NOW)


@pytest.mark.parametrize(
    ("until", "lasting", "ends"),
    [
        (None, None, NOW + USUAL),
        (None, "90m", NOW + timedelta(minutes=90)),
        ("2026-03-02T18:00Z", None, datetime(2026, 3, 2, 18, tzinfo=UTC)),
        ("2026-03-02T18:00", None, datetime(2026, 3, 2, 18, tzinfo=UTC)),
        ("2026-03-02T18:00+02:00", None, datetime(2026, 3, 2, 16, tzinfo=UTC)),
        (None, f"{LONGEST.days}d", NOW + LONGEST),
    ],
)
def test_when_it_ends(until: str | None, lasting: str | None, ends: datetime) -> None:
    assert until_of(NOW, until, lasting) == ends


@pytest.mark.parametrize(
    ("until", "lasting", "why"),
    [
        ("2026-03-02T18:00Z", "2h", "exclude each other"),
        ("tomorrow", None, "write an instant"),
        ("2026-02-28", None, "over before it begins"),
        (None, "0h", "over before it begins"),
        (None, "for ever", "whole number and a unit"),
        (None, "31d", "would be forgotten"),
        ("9999-12-31", None, "would be forgotten"),
    ],
)
@pytest.mark.field("suspended")
def test_an_end_that_makes_no_sense_is_refused(until: str | None, lasting: str | None, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        until_of(NOW, until, lasting)
