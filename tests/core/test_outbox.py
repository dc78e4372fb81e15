"""The outbox's states and back-off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count, product

import pytest

from reconciler.core.errors import Invalid
from reconciler.core.outbox import MOVES, Allowance, OutboxState, Outcome, allowance, moved, retry_at, state_after

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUEUED, SENDING, SENT, FAILED, RESTORED = OutboxState
LEGAL = {
    *((QUEUED, SENDING), (QUEUED, FAILED), (SENDING, SENT), (SENDING, QUEUED), (SENDING, FAILED), (FAILED, QUEUED)),
    *((QUEUED, RESTORED), (SENDING, RESTORED), (RESTORED, QUEUED), (RESTORED, FAILED)),
}


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [
        (1, timedelta(minutes=1)),
        (2, timedelta(minutes=5)),
        (3, timedelta(minutes=15)),
        (4, timedelta(hours=1)),
        (5, timedelta(hours=4)),
        (6, timedelta(hours=4)),
    ],
)
def test_waits_grow_to_four_hours(attempts: int, wait: timedelta) -> None:
    assert retry_at(attempts, NOW) == NOW + wait


def test_after_five_days_of_tries_it_is_given_up() -> None:
    last = NOW
    for attempts in count(1):
        following = retry_at(attempts, last)
        if following is None:
            break
        last = following
    assert timedelta(days=4, hours=20) < last - NOW <= timedelta(days=5)
    assert retry_at(attempts + 1, last) is None


@pytest.mark.parametrize("attempts", [0, -1])
def test_nothing_is_retried_before_it_was_tried(attempts: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        retry_at(attempts, NOW)


@pytest.mark.parametrize(("state", "to"), sorted(product(OutboxState, repeat=2)))
def test_only_the_legal_moves_are_possible(state: OutboxState, to: OutboxState) -> None:
    if (state, to) in LEGAL:
        assert moved(state, to) is to
    else:
        with pytest.raises(Invalid, match=f"{state.value} cannot become {to.value}"):
            moved(state, to)


def test_every_state_has_its_row() -> None:
    assert MOVES.keys() == set(OutboxState)


@pytest.mark.parametrize(
    ("outcome", "retry", "state"),
    [
        (Outcome.ACCEPTED, NOW, SENT),
        (Outcome.ACCEPTED, None, SENT),
        (Outcome.TEMPORARY, NOW, QUEUED),
        (Outcome.TEMPORARY, None, FAILED),
        (Outcome.UNKNOWN, NOW, QUEUED),
        (Outcome.UNKNOWN, None, FAILED),
        (Outcome.PERMANENT, NOW, FAILED),
        (Outcome.PERMANENT, None, FAILED),
    ],
)
def test_a_try_decides_where_a_mail_goes(outcome: Outcome, retry: datetime | None, state: OutboxState) -> None:
    assert state_after(outcome, retry) is state
    assert state in MOVES[SENDING]


@pytest.mark.parametrize(
    ("per_minute", "ages", "mails", "wait"),
    [
        (None, [0] * 99, 3, 0),
        (10, [], 3, 0),
        (10, [1] * 8, 2, 0),
        (2, [50, 10], 0, 10),
        (2, [50, 40, 10], 0, 20),
        (2, [60, 61], 2, 0),
        (2, [-5, -3600], 2, 0),
    ],
    ids=["no limit", "nothing sent", "a few left", "used up", "lowered since", "long ago", "clock set back"],
)
def test_a_rate_leaves_so_many_mails(per_minute: int | None, ages: list[int], mails: int, wait: int) -> None:
    tries = [NOW - timedelta(seconds=age) for age in ages]
    assert allowance(per_minute, tries, NOW, 3) == Allowance(mails, timedelta(seconds=wait))
