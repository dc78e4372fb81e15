"""The limit learnt from refusals: it converges to the server's own, rises again, and is no one account's to lower."""

from __future__ import annotations

import random
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.connection_limit import RAISED_EVERY, ConnectionLimit, at, opened, refused

COUNT = st.integers(0, 2000)
EVENT = st.tuples(st.sampled_from(["opened", "refused"]), st.integers(1, 5), COUNT, st.floats(0, 2000))


def told(limit: ConnectionLimit, event: tuple[str, int, int, float]) -> ConnectionLimit:
    """`event`: what happened, to which account, with so many connections open, at this instant."""
    what, account, count, now = event
    return opened(limit, count, now) if what == "opened" else refused(limit, account, count, now)


def most(limit: ConnectionLimit) -> int:
    assert limit.most is not None
    return limit.most


@given(COUNT, st.floats(0, 1e6))
def test_a_refusal_leaves_what_was_open_then_and_at_least_one(count: int, now: float) -> None:
    assert refused(ConnectionLimit(), 1, count, now).most == max(1, count)


@given(COUNT, st.integers(0, 40), st.floats(0, 0.99))
def test_each_while_without_a_refusal_allows_one_more(count: int, whiles: int, part: float) -> None:
    limit = refused(ConnectionLimit(), 1, count, 0.0)
    assert most(at(limit, (whiles + part) * RAISED_EVERY)) == max(1, count) + whiles


@given(st.lists(EVENT, max_size=30), st.floats(0, 2000), st.floats(0, 9000))
def test_looking_in_between_changes_nothing(
    events: list[tuple[str, int, int, float]], then: float, later: float
) -> None:
    limit = reduce(told, sorted(events, key=lambda event: event[3]), ConnectionLimit())
    begins = max([2000.0, then])
    assert at(at(limit, begins), begins + later).most == at(limit, begins + later).most


@given(st.lists(EVENT, max_size=30))
def test_no_limit_is_below_one_and_none_is_learnt_without_a_refusal(events: list[tuple[str, int, int, float]]) -> None:
    limit = reduce(told, sorted(events, key=lambda event: event[3]), ConnectionLimit())
    assert (limit.most is None) == all(what == "opened" for what, *_ in events)
    assert limit.most is None or limit.most >= 1


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_an_account_that_is_always_refused_lowers_the_limit_once(counts: list[int]) -> None:
    limit = refused(ConnectionLimit(), 1, 500, 0.0)
    for number, count in enumerate(counts):
        limit = refused(limit, 1, count, number)
    assert limit.most == 500
    assert most(at(limit, RAISED_EVERY)) == 501


@given(st.integers(1, 30), st.integers(1, 60), st.integers(0, 100_000))
def test_against_a_server_with_a_limit_every_account_is_served_and_the_refusals_end(
    servers: int, accounts: int, seed: int
) -> None:
    """Accounts take turns; whoever finds no room has one that rests make room, as the fast door does."""
    draw, limit, open_now, refusals = random.Random(seed), ConnectionLimit(), list[int](), list[int]()
    served = set[int]()
    for turn in range(6):
        order = list(range(accounts))
        draw.shuffle(order)
        for account in order:
            now = turn * 60.0
            if account not in open_now:
                while (allowed := at(limit, now).most) is not None and open_now and len(open_now) >= allowed:
                    open_now.pop(0)
                if len(open_now) >= servers:
                    limit = refused(limit, account, len(open_now), now)
                    refusals.append(turn)
                    continue
                open_now.append(account)
                limit = opened(limit, len(open_now), now)
            served.add(account)
    assert served == set(range(accounts))
    assert len(refusals) <= 1
    assert limit.most == (servers if accounts > servers else None)


def test_two_accounts_with_a_limit_of_their_own_do_not_drag_their_neighbours_down() -> None:
    limit = ConnectionLimit()
    for number in range(1, 501):
        limit = opened(limit, number, 0.0)
    for turn in range(200):
        now = turn * 60.0
        # Room was made for the one that is refused, and a neighbour takes it afterwards.
        limit = refused(limit, 1 + turn % 2, 499, now)
        limit = opened(limit, 500, now)
    assert most(limit) >= 500
