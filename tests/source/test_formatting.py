"""Formatting: what the style is, what stays, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.core.errors import Invalid
from reconciler.source.formatting import formatted
from reconciler.source.yaml_reader import read_yaml
from tests.docs.pages import ROOT

EXAMPLES = sorted((ROOT / "accounts.d").rglob("*.yaml"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("accounts:\n- id:   a\n  weight:  5\n", "accounts:\n  - id: a\n    weight: 5\n", id="lists"),
        pytest.param("a:\n      b:\n            c: 1\n", "a:\n  b:\n    c: 1\n", id="levels"),
        pytest.param("\ufeffa: 1\r\nb: 2\r\n", "a: 1\nb: 2\n", id="line ends and mark"),
        pytest.param("a: 1  \n\n\n\n", "a: 1\n", id="blanks at ends"),
        pytest.param("a: 1", "a: 1\n", id="last line end"),
        pytest.param("# head\na: 1   # why\n# foot\n", "# head\na: 1   # why\n# foot\n", id="comments"),
        pytest.param(
            "a:\n# one\n- b: 1\n  # two\n  c: 2\n\n  # - b: 3\n# end\nd: 4\n",
            "a:\n  # one\n  - b: 1\n    # two\n    c: 2\n\n  # - b: 3\n# end\nd: 4\n",
            id="comments of lists that move",
        ),
        pytest.param("a: {b:  'x',c: \"y\"}\n", "a: {b: 'x', c: \"y\"}\n", id="quotes and braces"),
        pytest.param("a: |\n   # text\n   more\n", "a: |\n  # text\n  more\n", id="blocks of text"),
        pytest.param("a:   |\n  # x  \n    y\n", "a: |\n  # x  \n    y\n", id="blanks in blocks of text"),
        pytest.param(f"a: {'long ' * 100}end\n", f"a: {'long ' * 100}end\n", id="long lines"),
    ],
)
def test_the_style(before: str, after: str) -> None:
    assert formatted(before.encode(), "x.yaml") == after


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_in_the_style(path: Path) -> None:
    assert formatted(path.read_bytes(), path.name) == path.read_text(encoding="utf-8")


VALUES = [
    "yes",
    "NO",
    "012",
    "0o17",
    "1_000",
    "1e3",
    "2026-03-01",
    "~",
    "null",
    "0x1f",
    "'5'",
    ".5",
    "1.50",
    "+5",
    ".inf",
]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_stays_what_the_reader_takes_it_for(value: str) -> None:
    text = f"a:   {value}\nb: [ {value} ]\n".encode()
    after = formatted(text, "x.yaml").encode()
    assert after != text
    assert repr(read_yaml(after, "x.yaml").data) == repr(read_yaml(text, "x.yaml").data)


@pytest.mark.parametrize("text", ["a: {b: 1, # why\n  c: 2}\n", "a: [1, # why\n  2]\n"])
def test_a_file_that_would_lose_something_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"^x\.yaml: formatting would lose a part of it, so it stays as it is"):
        formatted(text.encode(), "x.yaml")


@pytest.mark.parametrize("text", ["a: [1\n", "a: 1\na: 2\n", "a: &x 1\nb: *x\n", "<<<<<<< ours\n", "- a\n"])
def test_what_cannot_be_read_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(Invalid, match=r"x\.yaml:\d+:\d+: E\d{3} .*mend the file first"):
        formatted(text.encode(), "x.yaml")
