"""When an account takes its next step: at once, at the poll interval, or after a back-off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.schedule import (
    LONGEST_BACKOFF,
    REFUSED_BACKOFF,
    Pending,
    StepEnd,
    Turn,
    after_step,
    asked,
    due,
    next_opening,
    rest_of,
    unwatched,
    woken,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLL = timedelta(seconds=60)
WELL = StepEnd(failed=False, permanent=False, backlog=0, wait=None)


def failing(permanent: bool = False, wait: float | None = None) -> StepEnd:
    return StepEnd(failed=True, permanent=permanent, backlog=None, wait=wait)


def seconds_after(turn: Turn, end: StepEnd, jitter: float = 0.0) -> float:
    """How long the account rests."""
    return (after_step(turn, end, POLL, NOW, jitter).next_at - NOW).total_seconds()


RESTS = {
    "no backlog: the poll interval": (0, WELL, 60),
    "a backlog: at once": (0, StepEnd(False, False, 7, None), 0),
    "an unknown backlog: the poll interval": (0, StepEnd(False, False, None, None), 60),
    "well after failures: the poll interval": (5, WELL, 60),
    "well, but the server asks for longer than the poll interval": (0, StepEnd(False, False, 0, 90), 90),
    "well, and the server asks for less than the poll interval": (0, StepEnd(False, False, 0, 5), 60),
    "a backlog, but the server asks to wait": (0, StepEnd(False, False, 7, 5), 5),
    "first failure": (0, failing(), 5),
    "second failure": (1, failing(), 10),
    "third failure": (2, failing(), 20),
    "eighth failure": (7, failing(), 640),
    "ninth failure: the longest": (8, failing(), 900),
    "thousandth failure: the longest": (999, failing(), 900),
    "refused for good": (0, failing(permanent=True), 300),
    "refused for good, again": (50, failing(permanent=True), 300),
    "the server asks for longer": (0, failing(wait=120), 120),
    "the server asks for less than the back-off": (4, failing(wait=1), 80),
    "the server asks for an hour": (0, failing(wait=3600), 3600),
}


@pytest.mark.parametrize(("failures", "end", "seconds"), RESTS.values(), ids=RESTS.keys())
def test_how_long_an_account_rests_after_a_step(failures: int, end: StepEnd, seconds: float) -> None:
    assert seconds_after(Turn(NOW, 0, failures), end) == seconds


def test_a_good_step_forgets_failures_and_a_failed_one_counts_and_keeps_the_backlog() -> None:
    assert after_step(Turn(NOW, 4, 3), WELL, POLL, NOW, 0.0) == Turn(NOW + POLL, 0, 0)
    assert after_step(Turn(NOW, 4, 3), failing(), POLL, NOW, 0.0) == Turn(NOW + timedelta(seconds=40), 4, 4)


@given(st.integers(0, 10_000), st.booleans(), st.floats(0, 1))
def test_jitter_lengthens_a_wait_by_a_quarter_at_most(failures: int, permanent: bool, jitter: float) -> None:
    turn, end = Turn(NOW, 0, failures), failing(permanent)
    plain = seconds_after(turn, end)
    assert plain <= seconds_after(turn, end, jitter) <= plain * 1.25 + 1e-5
    assert 5 <= plain <= max(LONGEST_BACKOFF, REFUSED_BACKOFF).total_seconds()


@pytest.mark.parametrize(
    ("end", "seconds"),
    [(failing(), 8), (failing(permanent=True), 8), (failing(wait=30), 30)],
    ids=["failed", "refused", "asked to wait"],
)
def test_the_longest_rest_may_be_set_and_what_the_server_asks_for_counts_in_full(end: StepEnd, seconds: int) -> None:
    turn = after_step(Turn(NOW, 0, 9), end, POLL, NOW, 0.0, timedelta(seconds=8))
    assert turn.next_at == NOW + timedelta(seconds=seconds)


@given(st.integers(0, 50), st.booleans(), st.floats(0, 1), st.floats(0, 1e6))
def test_nobody_comes_back_before_the_time_the_server_asked_for(
    failures: int, permanent: bool, jitter: float, asked: float
) -> None:
    assert seconds_after(Turn(NOW, 0, failures), failing(permanent, asked), jitter) >= asked - 1e-5


@given(st.integers(0, 50))
def test_a_further_failure_never_shortens_the_wait(failures: int) -> None:
    assert seconds_after(Turn(NOW, 0, failures + 1), failing()) >= seconds_after(Turn(NOW, 0, failures), failing())


def turn_in(seconds: float) -> Turn:
    return Turn(NOW + timedelta(seconds=seconds))


def test_due_are_those_whose_time_has_come_without_a_running_step_longest_due_first() -> None:
    turns = {1: turn_in(-1), 2: turn_in(-9), 3: turn_in(0), 4: turn_in(0.001), 5: turn_in(-99)}
    assert due(turns, {5: object()}, NOW) == [2, 1, 3]


def test_nothing_is_due_where_nothing_is_scheduled() -> None:
    assert due({}, {}, NOW) == []


OPENINGS = {
    "nothing is scheduled": ({}, {}, None),
    "the earliest": ({1: turn_in(60), 2: turn_in(30)}, {}, 30),
    "one that is overdue": ({1: turn_in(-5), 2: turn_in(30)}, {}, -5),
    "not that of a running step": ({1: turn_in(-5), 2: turn_in(30)}, {1: object()}, 30),
    "all are running": ({1: turn_in(-5)}, {1: object()}, None),
}


@pytest.mark.parametrize(("turns", "running", "seconds"), OPENINGS.values(), ids=OPENINGS.keys())
def test_when_the_next_cycle_has_something_to_do(
    turns: dict[int, Turn], running: dict[int, object], seconds: float | None
) -> None:
    opening = next_opening(turns, running)
    assert opening == (None if seconds is None else NOW + timedelta(seconds=seconds))


schedules = st.dictionaries(st.integers(1, 20), st.floats(-100, 100).map(turn_in))


@given(schedules, st.sets(st.integers(1, 20)))
def test_something_is_due_exactly_when_the_next_opening_has_come(turns: dict[int, Turn], busy: set[int]) -> None:
    running = dict.fromkeys(busy)
    opening = next_opening(turns, running)
    assert bool(due(turns, running, NOW)) == (opening is not None and opening <= NOW)
    assert busy.isdisjoint(due(turns, running, NOW))


@given(st.lists(st.integers(0, 4), max_size=30), st.sets(st.integers(0, 4)))
def test_a_group_that_is_held_up_holds_up_no_other(groups: list[int], held_up: set[int]) -> None:
    pending = Pending(enumerate(groups))
    started = list(pending.startable(lambda key: groups[key] not in held_up))
    assert sorted(started) == [key for key, group in enumerate(groups) if group not in held_up]
    assert all([k for k in started if groups[k] == g] == sorted(k for k in started if groups[k] == g) for g in range(5))
    assert bool(pending) == any(group in held_up for group in groups)
    assert sorted(pending.startable(lambda _key: True)) == [k for k, group in enumerate(groups) if group in held_up]


def test_news_wake_an_account_at_once_unless_it_waits_after_a_failure() -> None:
    assert woken(turn_in(60), NOW).next_at == NOW
    assert woken(Turn(NOW + timedelta(seconds=60), 0, 2), NOW).next_at == NOW + timedelta(seconds=60)


@pytest.mark.parametrize(("due_in", "then"), [(510, 60), (30, 30), (0, 0)])
def test_an_account_that_lost_its_connection_to_another_is_asked_at_its_poll_interval(due_in: int, then: int) -> None:
    turn = Turn(NOW + timedelta(seconds=due_in))
    assert unwatched(turn, POLL, NOW).next_at == NOW + timedelta(seconds=then)


def test_an_account_whose_server_tells_of_news_still_has_steps_within_nine_minutes() -> None:
    poll = timedelta(seconds=60)
    assert rest_of(poll, watched=False) == poll
    assert poll < rest_of(poll, watched=True) < timedelta(minutes=9)


@pytest.mark.parametrize("failures", [0, 9], ids=["resting", "in back-off"])
def test_an_account_that_is_asked_for_is_due_at_once_and_its_failures_still_count(failures: int) -> None:
    turn = asked(Turn(NOW + timedelta(minutes=10), 3, failures), NOW)
    assert due({1: turn}, {}, NOW) == [1]
    assert (turn.backlog, turn.failures) == (3, failures)
    earlier = Turn(NOW - timedelta(minutes=1))
    assert asked(earlier, NOW) == earlier
