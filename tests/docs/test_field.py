"""Every trouble that other systems have, and every bad input, has a test that is marked with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field import BAD_INPUT, ROWS, SEEN_ELSEWHERE

TESTS = Path(__file__).parents[1]


def marks(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The tests of a module with the rows they are marked with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.field":
                    yield from ((node.name, ast.literal_eval(argument)) for argument in decorator.args)


MARKED = {
    (f"{path.relative_to(TESTS)}::{name}", row)
    for path in TESTS.rglob("test_*.py")
    for name, row in marks(ast.parse(path.read_text(encoding="utf-8")))
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test(row: str) -> None:
    assert [test for test, marked in MARKED if marked == row]


def test_no_mark_names_a_row_there_is_not() -> None:
    assert {row for _, row in MARKED} <= ROWS.keys()
    assert not SEEN_ELSEWHERE.keys() & BAD_INPUT.keys()
