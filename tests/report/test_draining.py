"""How far a drain is: the whole grows as accounts report, and shrinks by what nobody waits for any more."""

from __future__ import annotations

from reconciler.core.fetch import StepLine
from reconciler.report.draining import Drained


def step(account: str, taken: int, backlog: int | None) -> StepLine:
    """A step of this account."""
    return StepLine(1, "acme", account, "imap", taken, backlog, 0.1, None)


def test_the_whole_is_what_was_taken_and_what_is_known_to_wait() -> None:
    drained = Drained()
    steps = [step("a", 3, 7), step("b", 3, 0), step("a", 3, 4), step("a", 3, 1), step("c", 0, 0), step("a", 1, 0)]
    assert [drained.count(one) for one in steps] == [(3, 10), (6, 13), (9, 13), (12, 13), (12, 13), (13, 13)]


def test_an_account_that_fails_is_not_waited_for() -> None:
    drained = Drained()
    assert drained.count(step("a", 3, 7)) == (3, 10)
    assert drained.count(step("a", 0, None)) == (3, 3)


def test_accounts_of_one_name_in_two_tenants_are_two() -> None:
    drained = Drained()
    drained.count(step("a", 1, 5))
    assert drained.count(StepLine(1, "globex", "a", "imap", 1, 2, 0.1, None)) == (2, 9)
