"""Caps: how many mails are too many, by case and by recipient."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.cap import SentBefore, reached
from tests.states import NOW


def sent(number: int, minutes: float, case: int = 1) -> list[SentBefore]:
    """So many mails, all so many minutes ago."""
    return [SentBefore(case, NOW - timedelta(minutes=minutes))] * number


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (sent(9, 1), None),
        (sent(10, 1), "10 minutes for case C1"),
        (sent(10, 10), None),
        (sent(24, 30), None),
        (sent(25, 59), "60 minutes for case C1"),
        (sent(25, 60), None),
        (sent(29, 1, case=2), None),
        (sent(30, 1, case=2), "10 minutes in all"),
        (sent(30, 11, case=2), None),
        (sent(9, 1) + sent(21, 2, case=2), "10 minutes in all"),
    ],
    ids=["9", "10", "10-earlier", "24", "25", "25-earlier", "29-others", "30-others", "30-others-earlier", "mixed"],
)
def test_a_cap_is_reached_by_what_went_before(before: list[SentBefore], words: str | None) -> None:
    found = reached(before, 1, NOW)
    assert (words is None) == (found is None)
    assert words is None or words in str(found)
