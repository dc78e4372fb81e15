"""Which head may be followed."""

from __future__ import annotations

import pytest

from reconciler.core.commit import Advance

OLD, NEW, ODD = "a" * 40, "b" * 40, "c" * 40


@pytest.mark.parametrize(
    ("advance", "said"),
    [
        (Advance(None, NEW, descends=True, rewrite_allowed=False, unsigned=None), None),
        (Advance(OLD, NEW, descends=True, rewrite_allowed=False, unsigned=None), None),
        (Advance(OLD, NEW, descends=True, rewrite_allowed=False, unsigned=()), None),
        (Advance(OLD, NEW, descends=False, rewrite_allowed=True, unsigned=None), None),
        (Advance(OLD, NEW, descends=False, rewrite_allowed=False, unsigned=None), f"accept-rewrite {NEW}"),
        (Advance(OLD, NEW, descends=False, rewrite_allowed=False, unsigned=()), f"accept-rewrite {NEW}"),
        (Advance(OLD, NEW, descends=True, rewrite_allowed=False, unsigned=(ODD,)), "commit cccccccccccc has no valid"),
        (Advance(OLD, NEW, descends=False, rewrite_allowed=True, unsigned=(ODD,)), "has no valid signature"),
        (Advance(None, NEW, descends=True, rewrite_allowed=False, unsigned=(ODD, NEW)), "cccccccccccc and 1 more"),
    ],
    ids=[
        "first",
        "descendant",
        "signed-descendant",
        "allowed-rewrite",
        "rewrite",
        "signed-rewrite",
        "unsigned",
        "a-rewrite-that-is-allowed-needs-signatures",
        "first-unsigned",
    ],
)
@pytest.mark.field("replayed commit")
def test_a_head_passes_or_is_told_why_not(advance: Advance, said: str | None) -> None:
    refusal = advance.refusal
    assert refusal is None if said is None else said in str(refusal)
