"""What text can do to a terminal: nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from reconciler.report.terminal import as_json, columns, instant, shown, visible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Größe 😀 日本", "Größe 😀 日本", id="readable"),
        pytest.param("\x1b[31mred", "\\u{1b}[31mred", id="colour"),
        pytest.param("a\r\nb\tc", "a\\u{d}\\u{a}b\\u{9}c", id="line ends"),
        pytest.param("\x9b2J", "\\u{9b}2J", id="C1"),
        pytest.param("\u202egnp.exe", "\\u{202e}gnp.exe", id="bidi"),
        pytest.param("a\u2028b", "a\\u{2028}b", id="line separator"),
        pytest.param("\ud800", "\\u{d800}", id="lone surrogate"),
        pytest.param("a\u200bb", "a\\u{200b}b", id="zero width"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_json_is_harmless_too() -> None:
    assert as_json({"a": "\x9b\u202e"}).isascii()


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 500)) == 100


def test_instants_are_utc() -> None:
    assert instant(datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-30T23:00:00Z"


def test_cells_stand_below_each_other_and_lines_end_without_blanks() -> None:
    assert columns([("a", "bb", ""), ("aaa", "b", "c")]) == ["a    bb", "aaa  b   c"]
