"""Findings as text and JSON."""

from __future__ import annotations

import json

from reconciler.core.finding import Finding
from reconciler.report.findings import Checked, as_json, as_text

ERROR = Finding("acme.yaml", 3, 5, "/accounts/0", "E201", "no key `x` exists here", "acme")
WARNING = Finding("b.yaml", 1, 1, "", "W201", "the tenant has no account", "b")


def test_a_finding_is_a_line_that_editors_can_jump_to() -> None:
    assert as_text(Checked(2, 1, 1, [ERROR, WARNING]), colour=False) == (
        "acme.yaml:3:5: error E201 no key `x` exists here\n"
        "b.yaml:1:1: warning W201 the tenant has no account\n"
        "2 files, 1 tenant, 1 account: 1 error, 1 warning\n"
    )


def test_colours_come_only_when_asked_for() -> None:
    assert "\x1b" not in as_text(Checked(1, 0, 0, [ERROR]), colour=False)
    assert "\x1b[31merror E201\x1b[0m" in as_text(Checked(1, 0, 0, [ERROR]), colour=True)


def test_a_message_cannot_forge_a_line_or_an_escape_sequence() -> None:
    forged = Finding("acme.yaml", 1, 1, "", "E201", "a\nacme.yaml:1:1: \x1b[2J", "acme")
    assert as_text(Checked(1, 0, 0, [forged]), colour=False).count("\n") == 2
    assert "\x1b" not in as_text(Checked(1, 0, 0, [forged]), colour=False)


def test_json_has_the_contracts_keys() -> None:
    assert json.loads(as_json(Checked(2, 1, 1, [ERROR]))) == {
        "format_version": 1,
        "files": 2,
        "tenants": 1,
        "accounts": 1,
        "findings": [
            {
                "file": "acme.yaml",
                "line": 3,
                "column": 5,
                "pointer": "/accounts/0",
                "code": "E201",
                "severity": "error",
                "message": "no key `x` exists here",
                "help": ERROR.help,
            }
        ],
    }
