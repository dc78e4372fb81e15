"""An account's bounds are kept whatever comes, and never stop an account for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.pace import Allowance, Bound, Bounds, Pause, after, allowed, at, begin, midnight_before

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)

SIZES = st.lists(st.integers(0, 3_000), min_size=1, max_size=30)
RATES = st.floats(0.01, 200)


@pytest.mark.parametrize(
    ("taken", "sizes", "mails"),
    [
        pytest.param(0, [400, 600], 2, id="all fit"),
        pytest.param(0, [400, 601, 1], 1, id="the second does not, nor what comes after it"),
        pytest.param(0, [5000, 1], 1, id="the first of a day is taken, however large"),
        pytest.param(1, [5000], 0, id="the second is not"),
        pytest.param(1000, [0], 0, id="nor one of unknown size once a day's bytes are taken"),
        pytest.param(999, [0, 0], 2, id="unknown sizes fit as long as anything does"),
    ],
)
def test_what_fits_into_the_bytes_of_a_day(taken: int, sizes: list[int], mails: int) -> None:
    bounds = Bounds(bytes_per_day=1000)
    pause = Pause(Bound.BYTES_PER_DAY, MIDNIGHT) if mails < len(sizes) else None
    assert allowed(bounds, begin(bounds, taken, NOON), sizes, NOON) == Allowance(mails, pause)


@given(SIZES, st.integers(1, 5_000), st.integers(0, 6_000))
def test_no_day_takes_more_than_its_bytes_but_for_one_mail(sizes: list[int], most: int, taken: int) -> None:
    bounds = Bounds(bytes_per_day=most)
    mails = allowed(bounds, begin(bounds, taken, NOON), sizes, NOON).mails
    total = taken + sum(sizes[:mails])
    assert mails == 0 or total <= most or (taken == 0 and sum(sizes[: mails - 1]) == 0)


@given(SIZES, st.integers(1, 5_000), st.none() | RATES, st.integers(1, 10))
def test_however_small_the_bounds_every_mail_is_taken_in_the_end(
    sizes: list[int], most: int, rate: float | None, weight: int
) -> None:
    bounds, now = Bounds(most, rate), NOON
    pace, waiting = begin(bounds, 0, now), list(sizes)
    for _ in range(3 * len(sizes) + 3):
        step = waiting[:weight]
        allowance = allowed(bounds, pace, step, now)
        assert (allowance.pause is None) == (allowance.mails == len(step))
        pace = after(bounds, pace, allowance.mails, sum(step[: allowance.mails]), now)
        del waiting[: allowance.mails]
        if allowance.pause is not None:
            assert now < allowance.pause.until <= now + timedelta(days=1, seconds=200)
            now = allowance.pause.until
    assert not waiting


@given(RATES, st.lists(st.tuples(st.floats(0, 30), st.integers(1, 100)), min_size=1, max_size=40))
def test_in_no_time_more_mails_are_taken_than_the_rate_and_one_burst(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    bounds, now, taken = Bounds(messages_per_second=rate), NOON, 0
    pace = begin(bounds, 0, now)
    for rest, weight in steps:
        now += timedelta(seconds=rest)
        mails = allowed(bounds, pace, [1] * weight, now).mails
        pace = after(bounds, pace, mails, mails, now)
        taken += mails
        assert taken <= (now - NOON).total_seconds() * rate + bounds.burst + 0.01


@given(RATES, st.integers(1, 100))
def test_after_the_pause_what_was_promised_may_be_taken(rate: float, weight: int) -> None:
    bounds = Bounds(messages_per_second=rate)
    pace = after(bounds, begin(bounds, 0, NOON), 1000, 0, NOON)
    allowance = allowed(bounds, pace, [1] * weight, NOON)
    assert allowance.mails == 0
    assert allowance.pause is not None
    assert allowed(bounds, pace, [1] * weight, allowance.pause.until).mails == min(weight, int(bounds.burst))


@given(st.timedeltas(timedelta(0), timedelta(days=400)), st.integers(0, 10**12))
def test_a_clock_that_is_set_back_and_forth_gives_no_bytes_back(back: timedelta, taken: int) -> None:
    bounds = Bounds(bytes_per_day=1000)
    pace = at(bounds, at(bounds, begin(bounds, taken, NOON), NOON - back), NOON - back)
    assert pace.taken == taken


def test_a_day_ends_at_midnight_utc_wherever_the_clock_is() -> None:
    bounds = Bounds(bytes_per_day=1000)
    pace = begin(bounds, 1000, NOON)
    assert allowed(bounds, pace, [1], MIDNIGHT - timedelta(microseconds=1)).mails == 0
    assert allowed(bounds, pace, [1], MIDNIGHT).mails == 1
    east = datetime.fromisoformat("2026-05-02T01:00:00+02:00")
    assert midnight_before(east) == MIDNIGHT - timedelta(days=1)


def test_without_bounds_there_is_nothing_to_ask() -> None:
    assert not Bounds()
    assert Bounds(bytes_per_day=1)
    assert Bounds(messages_per_second=1.0)
