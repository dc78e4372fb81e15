"""docs/correlation.md: its ladder, its outcomes and its numbers are the program's."""

from __future__ import annotations

import re
from datetime import timedelta

from reconciler.core.account import AnswerFrom
from reconciler.core.cap import CAPS, Cap
from reconciler.core.correlation import Outcome, Rung
from reconciler.core.routing import MOST_HOPS
from tests.docs.pages import codes, page, rows

CORRELATION = page("docs/correlation.md")


def test_the_ladder_has_every_rung_in_its_order() -> None:
    listed = [code for cells in rows(CORRELATION.section("The ladder"), "sign") for code in codes(cells[0])]
    assert listed == [rung.value for rung in Rung]


def test_every_outcome_is_explained() -> None:
    told = [code for cells in rows(CORRELATION.section("The ladder"), "the signs") for code in codes(cells[1])]
    assert {outcome.value for outcome in Outcome} <= set(told)


def test_who_may_answer_is_complete() -> None:
    told = {code.removeprefix("answer_from: ") for code in codes(CORRELATION.section("Who wrote it"))}
    assert {rule.value for rule in AnswerFrom} <= told


def test_the_caps_are_those_that_hold() -> None:
    text = CORRELATION.section("Loops")
    found = re.search(
        r"(\d+) mails in (\d+) minutes or (\d+) in an hour for one case.*, (\d+) in (\d+) minutes", text, re.S
    )
    assert found is not None
    first, minutes, hourly, all_of_them, all_minutes = map(int, found.groups())
    assert (
        Cap(first, timedelta(minutes=minutes), of_case=True),
        Cap(hourly, timedelta(hours=1), of_case=True),
        Cap(all_of_them, timedelta(minutes=all_minutes), of_case=False),
    ) == CAPS
    assert f"At {MOST_HOPS} the mail is held as `loop`" in text
