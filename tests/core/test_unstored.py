"""A mail that the store refuses rests longer each time, and never for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.unstored import FIRST_REST, LONGEST_REST, Unstored, refused

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def after(refusals: int) -> Unstored:
    mail = refused(None, "why", NOW)
    for _ in range(refusals - 1):
        mail = refused(mail, "why", NOW)
    return mail


@given(st.integers(1, 60))
def test_each_refusal_makes_the_rest_longer_up_to_a_day(refusals: int) -> None:
    rest, next_rest = after(refusals).next_at - NOW, after(refusals + 1).next_at - NOW
    assert FIRST_REST <= rest <= next_rest <= LONGEST_REST
    assert next_rest in (2 * rest, LONGEST_REST)


@given(st.integers(1, 60), st.timedeltas(timedelta(0), timedelta(days=3)))
def test_it_rests_exactly_until_then(refusals: int, passed: timedelta) -> None:
    mail = after(refusals)
    assert mail.rests(NOW + passed) == (NOW + passed < mail.next_at)


@given(st.integers(1, 60), st.timedeltas(timedelta(days=2), timedelta(days=9000)))
def test_a_clock_set_back_does_not_make_it_rest_for_ever(refusals: int, back: timedelta) -> None:
    assert not after(refusals).rests(NOW - back)
