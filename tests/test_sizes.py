"""Nothing outgrows its neighbours: a module or function that is longer hides a decision of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "reconciler"

MOST_LINES = 400
MOST_FUNCTION_LINES = 60

LONGER_MODULES: dict[str, int] = {}
"""Modules that may have so many lines, by path below the package."""

LONGER_FUNCTIONS: dict[str, int] = {}
"""Functions that may have so many lines, as `path:name`."""

_MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
_GENERATED = "store/migrations/versions/"
"""A migration is one statement list and is never edited again."""


@pytest.mark.parametrize("name", _MODULES)
def test_a_module_fits_on_a_few_screens(name: str) -> None:
    lines = len(_MODULES[name].read_text("utf-8").splitlines())
    assert lines <= LONGER_MODULES.get(name, MOST_LINES)


@pytest.mark.parametrize("name", [name for name in _MODULES if not name.startswith(_GENERATED)])
def test_a_function_fits_on_a_screen(name: str) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(_MODULES[name].read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    assert {
        f"{name}:{function}": length
        for function, length in lengths.items()
        if length > LONGER_FUNCTIONS.get(f"{name}:{function}", MOST_FUNCTION_LINES)
    } == {}


def test_every_exception_is_still_needed() -> None:
    assert set(LONGER_MODULES) <= _MODULES.keys()
    assert {name.partition(":")[0] for name in LONGER_FUNCTIONS} <= _MODULES.keys()
