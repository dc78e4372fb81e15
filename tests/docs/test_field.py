"""Every trouble of other systems, bad input, attack and fault of a server has a test that is marked with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field import ATTACKS, BAD_INPUT, FAULTS, ROWS, SEEN_ELSEWHERE

TESTS = Path(__file__).parents[1]


def marks(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The tests of a module, and the parameters of tests, with the rows they are marked with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield from ((node.name, row) for decorator in node.decorator_list for row in rows_of(decorator))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.param":
            said = {word.arg: word.value for word in node.keywords}
            if "marks" in said:
                yield from ((ast.unparse(said["id"]), row) for row in rows_of(said["marks"]))


def rows_of(mark: ast.AST) -> Iterator[str]:
    """The rows that a mark names."""
    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.field":
        yield from map(ast.literal_eval, mark.args)


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
    assert len(ROWS) == len(SEEN_ELSEWHERE) + len(BAD_INPUT) + len(ATTACKS) + len(FAULTS)
