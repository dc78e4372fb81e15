"""The patches of `make mutants` fit the package as it is, so that a guard cannot leave unseen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.removes)
def test_a_patch_has_its_line_and_its_test(mutant: Mutant) -> None:
    text = (ROOT / "reconciler" / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.line) == 1
    ast.parse(text.replace(mutant.line, mutant.instead))
    file, _, name = mutant.test.partition("[")[0].rpartition("::")
    assert f"def {name}(" in (ROOT / file.partition("::")[0]).read_text(encoding="utf-8")


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.removes for mutant in MUTANTS}) == len(MUTANTS)
