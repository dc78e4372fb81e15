"""Requests for a step as rows: what is open, what is answered, and that nothing is left behind for ever."""

from __future__ import annotations

from datetime import timedelta

from reconciler.core.fetch import StepLine
from reconciler.store import fetch_requests as requests
from reconciler.store.database import Store
from tests.states import NOW
from tests.store.ground import add_accounts


def line(taken: int) -> StepLine:
    """What a step took."""
    return StepLine(7, "acme", "a", "imap", taken, 0, 0.1, None)


def test_a_request_is_open_until_its_first_answer_which_stays(store: Store) -> None:
    a, b = add_accounts(store, "a", "b")
    with store.write() as connection:
        requests.ask(connection, "one", [a, b], NOW)
        first, second = requests.still_open(connection)
        assert [(o.account_key, o.seen_at) for o in (first, second)] == [(a, None), (b, None)]
        assert requests.unseen(connection, "one") == 2
        requests.take_up(connection, [first.id, second.id], NOW)
        assert requests.unseen(connection, "one") == 0
        requests.answer(connection, [first.id], line(3))
        requests.answer(connection, [first.id], line(0))
        assert [o.account_key for o in requests.still_open(connection)] == [b]
        assert requests.answered(connection, "one", ()) == {first.id: line(3)}
        assert requests.answered(connection, "one", {first.id}) == {}


def test_each_command_has_its_own_and_takes_them_away(store: Store) -> None:
    [a] = add_accounts(store, "a")
    with store.write() as connection:
        requests.ask(connection, "one", [a], NOW)
        requests.ask(connection, "two", [a], NOW)
        ids = [o.id for o in requests.still_open(connection)]
        requests.answer(connection, ids, line(1))
        assert [len(requests.answered(connection, batch, ())) for batch in ("one", "two")] == [1, 1]
        requests.withdraw(connection, "one")
        assert requests.answered(connection, "one", ()) == {}
        assert len(requests.answered(connection, "two", ())) == 1


def test_a_number_is_never_given_again(store: Store) -> None:
    [a] = add_accounts(store, "a")
    with store.write() as connection:
        requests.ask(connection, "one", [a], NOW)
        [first] = requests.still_open(connection)
        requests.withdraw(connection, "one")
        requests.ask(connection, "two", [a], NOW)
        [second] = requests.still_open(connection)
        assert second.id > first.id


def test_what_a_killed_command_left_behind_goes_with_a_later_one(store: Store) -> None:
    [a] = add_accounts(store, "a")
    with store.write() as connection:
        requests.ask(connection, "killed", [a], NOW)
        requests.ask(connection, "later", [a], NOW + timedelta(days=1, seconds=1))
        assert len(requests.still_open(connection)) == 1


def test_more_than_are_handled_at_a_time_are_asked_and_answered(store: Store) -> None:
    [a] = add_accounts(store, "a")
    with store.write() as connection:
        requests.ask(connection, "one", [a] * 1_201, NOW)
        ids = [o.id for o in requests.still_open(connection)]
        requests.take_up(connection, ids, NOW)
        requests.answer(connection, ids, line(1))
        assert list(requests.answered(connection, "one", {ids[0]})) == ids[1:]
