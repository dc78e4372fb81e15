"""docs/rules.md: its rules are valid and their tests pass; what a rule does is what the program knows."""

from __future__ import annotations

import pytest

from reconciler.core.finding import CATALOGUE
from reconciler.core.rule import Then
from tests.docs.pages import codes, fences, page
from tests.example import Example
from tests.world import World

RULES = page("docs/rules.md")


@pytest.fixture
def shown(world: World) -> Example:
    """The example with the page's rules in its file."""
    made = Example(world)
    (rules,) = [fence.text for fence in fences(RULES.text) if fence.language == "yaml"]
    made.write_rules(rules)
    return made


def test_the_rules_are_valid_and_their_tests_pass(shown: Example) -> None:
    assert "0 errors, 0 warnings" in shown.command("validate").out


def test_a_wrong_expectation_would_be_told(shown: Example) -> None:
    file = shown.world.accounts / "acme.yaml"
    before = file.read_text()
    file.write_text(before.replace("expect: {rule: german-invoices}", "expect: {rule: damage}"))
    assert before != file.read_text()
    done = shown.command("validate", check=None)
    assert done.code != 0
    assert "expected rule damage, the rules give german-invoices" in done.out


def test_everything_a_rule_does_is_explained() -> None:
    assert Then.model_fields.keys() <= set(codes(RULES.section("What a rule does")))


@pytest.mark.parametrize(("code", "title"), [("W204", "rule never reached"), ("W205", "rule never hit")])
def test_its_findings_exist(code: str, title: str) -> None:
    assert f"`{code}`" in RULES.section("Being sure")
    assert CATALOGUE[code].title == title
