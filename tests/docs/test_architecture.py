"""ARCHITECTURE.md: the code map is the packages' own words, and what it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, codes, page, rows

ARCHITECTURE = page("ARCHITECTURE.md")
PACKAGE = ROOT / "reconciler"


def first_words(package: Path) -> str:
    """The package's docstring on one line."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    return " ".join((docstring or "").split())


def test_each_line_of_the_code_map_is_the_packages_docstring() -> None:
    packages = {path.parent for path in PACKAGE.glob("*/__init__.py")}
    said = {row[0]: row[1] for row in rows(ARCHITECTURE.section("Code map"), "package")}
    assert said == {f"`{package.name}/`": first_words(package) for package in packages}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_module_that_a_page_names_exists(path: Path) -> None:
    named = [code for code in codes(path.read_text(encoding="utf-8")) if code.endswith(".py")]
    roots = (ROOT, PACKAGE)
    assert [code for code in named if not any((root / code).is_file() for root in roots)] == []


def test_each_point_of_the_crash_switch_is_named() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    said = [row[0].strip("`") for row in rows(page("CONTRIBUTING.md").section("The crash switch"), "point")]
    assert sorted(said) == sorted(re.findall(r'\breach\("([a-z]+)"', sources))
