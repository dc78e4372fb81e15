"""The catalogue of codes, and that everything raised is in it."""

from __future__ import annotations

import re
from pathlib import Path

import reconciler
from reconciler.core.finding import CATALOGUE, Finding, Severity

PACKAGE = Path(reconciler.__file__).parent


def test_every_code_that_is_raised_has_an_entry_and_every_entry_is_raised() -> None:
    files = [p for p in PACKAGE.rglob("*.py") if p.name != "finding.py"]
    raised = {code for path in files for code in re.findall(r'"([EW][0-9]{3})"', path.read_text(encoding="utf-8"))}
    assert raised == set(CATALOGUE)


def test_a_code_tells_its_severity_and_help() -> None:
    warning = Finding("acme.yaml", 1, 1, "", "W201", "text")
    assert (warning.severity, warning.help) == (Severity.WARNING, CATALOGUE["W201"].help)
    assert Finding("acme.yaml", 1, 1, "", "E201", "text").severity is Severity.ERROR


def test_findings_sort_by_place() -> None:
    first = Finding("a.yaml", 2, 1, "", "E201", "text")
    assert (
        sorted([Finding("b.yaml", 1, 1, "", "E201", "text"), Finding("a.yaml", 10, 1, "", "E201", "text"), first])[0]
        is first
    )
