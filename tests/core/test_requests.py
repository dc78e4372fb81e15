"""Requests for a step at once: each is answered by one step that began after it was said, however often that is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.requests import Requests


def test_a_request_is_answered_by_the_step_that_begins_after_it() -> None:
    requests = Requests()
    assert requests.said({1: {10, 11}, 2: {20}}) == {1, 2}
    requests.begun(1)
    assert requests.ended(1) == {10, 11}
    assert (requests.waits(1), requests.waits(2)) == (False, True)


def test_a_step_in_hand_does_not_answer_what_was_asked_meanwhile() -> None:
    requests = Requests()
    requests.begun(1)
    requests.said({1: {10}})
    assert requests.ended(1) == frozenset()
    assert requests.waits(1)


def test_what_is_answered_and_not_written_down_yet_gets_no_second_step() -> None:
    requests = Requests()
    requests.said({1: {10}})
    requests.begun(1)
    requests.ended(1)
    assert requests.said({1: {10}}) == set()
    assert requests.said({1: {10, 11}}) == {1}


def test_an_answer_that_was_lost_is_given_by_another_step() -> None:
    requests = Requests()
    requests.said({1: {10}})
    requests.begun(1)
    requests.not_told(requests.ended(1))
    assert requests.said({1: {10}}) == {1}


def test_what_was_withdrawn_asks_for_nothing() -> None:
    requests = Requests()
    requests.said({1: {10}})
    assert requests.said({}) == set()
    assert not requests.waits(1)


@given(st.lists(st.sampled_from(["ask", "look", "step", "written", "withdraw"]), max_size=60))
def test_every_request_is_answered_once_by_a_step_that_began_after_it_and_nobody_has_a_step_for_nothing(
    acts: list[str],
) -> None:
    requests = Requests()
    store: set[int] = set()
    unwritten: set[int] = set()
    answered: list[int] = []
    newest = seen = 0
    for act in [*acts, "look", "step", "written", "look"]:
        if act == "ask":
            newest += 1
            store.add(newest)
        elif act == "look":
            requests.said({1: set(store)} if store else {})
            seen = newest
        elif act == "step" and requests.waits(1):
            requests.begun(1)
            done = requests.ended(1)
            assert done
            assert max(done) <= seen
            answered += done
            unwritten |= done
        elif act == "written":
            store -= unwritten
            unwritten.clear()
        elif act == "withdraw":
            store.clear()
    assert len(answered) == len(set(answered))
    assert not requests.waits(1)
    assert store == set()
