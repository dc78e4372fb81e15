"""Pointers."""

from __future__ import annotations

import pytest

from reconciler.core.place import Pointer, existing, pointer_text, value_at

DATA = {"a": [{"b": None}, "text"], "x/y~z": 1}


@pytest.mark.parametrize(
    ("pointer", "text"), [((), ""), (("a", 0, "b"), "/a/0/b"), (("x/y~z",), "/x~1y~0z"), (("",), "/")]
)
def test_a_pointer_is_written_as_rfc_6901_says(pointer: Pointer, text: str) -> None:
    assert pointer_text(pointer) == text


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        (("a", 0, "b"), ("a", 0, "b")),
        (("a", 0, "b", "c"), ("a", 0, "b")),
        (("a", 2), ("a",)),
        (("a", -1), ("a",)),
        (("a", 1, 0), ("a", 1)),
        (("q", 0), ()),
    ],
)
def test_a_pointer_is_cut_to_what_exists(pointer: Pointer, found: Pointer) -> None:
    assert existing(DATA, pointer) == found


def test_what_is_not_there_has_no_value() -> None:
    assert value_at(DATA, ("a", 1)) == "text"
    assert value_at(DATA, ("a", 9)) is None
