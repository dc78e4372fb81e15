"""Which loops are stuck."""

from __future__ import annotations

import pytest

from reconciler.core.heartbeat import Loop, stale

LIMITS = dict.fromkeys(Loop, 10.0) | {Loop.FETCH: 20.0}


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        ({}, ()),
        ({Loop.ROUTE: 90.0}, ()),
        ({Loop.ROUTE: 89.9}, (Loop.ROUTE,)),
        ({Loop.FETCH: 85.0, Loop.ROUTE: 95.0}, ()),
        ({Loop.FETCH: 79.0, Loop.WRITER: 1.0, Loop.SEND: 100.0}, (Loop.FETCH, Loop.WRITER)),
    ],
    ids=["none runs", "at its limit", "beyond it", "each its own limit", "several"],
)
def test_a_loop_is_stuck_beyond_its_own_limit(beats: dict[Loop, float], expected: tuple[Loop, ...]) -> None:
    assert stale(beats, LIMITS, 100.0) == expected
