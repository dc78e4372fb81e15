"""Findings as SARIF 2.1.0 (OASIS), the format of code scanning; every code is a rule with its help."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.core.finding import CATALOGUE, CodeEntry, Finding, severity_of
from reconciler.report.findings import Checked, fingerprints
from reconciler.report.terminal import as_json, visible

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_POSITIONS = {code: position for position, code in enumerate(CATALOGUE)}


def as_sarif(checked: Checked) -> str:
    """One run: the rules, and a result per finding, errors first."""
    driver = {
        "name": "reconciler",
        "semanticVersion": __version__,
        "rules": [_rule(code, entry) for code, entry in CATALOGUE.items()],
    }
    run = {
        "tool": {"driver": driver},
        # Columns count characters, not UTF-16 units (3.14.17).
        "columnKind": "unicodeCodePoints",
        "results": [_result(checked, finding, fingerprint) for finding, fingerprint in fingerprints(checked)],
    }
    return as_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str, entry: CodeEntry) -> dict[str, Any]:
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.help},
        "help": {"text": entry.help},
        "defaultConfiguration": {"level": severity_of(code).value},
    }


def _result(checked: Checked, finding: Finding, fingerprint: str) -> dict[str, Any]:
    return {
        "ruleId": finding.code,
        "ruleIndex": _POSITIONS[finding.code],
        "level": finding.severity.value,
        "message": {"text": _message(finding.message)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(checked.path(finding))},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
        "partialFingerprints": {"finding/v1": fingerprint},
    }


def _message(text: str) -> str:
    """Braces doubled, since a single one begins a placeholder (3.11.5), and no `[text](target)`: a link (3.11.6)."""
    return visible(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _uri(path: str) -> str:
    """An absolute path as a file URI, any other as a relative reference (RFC 3986, 4.2)."""
    quoted = quote(path)
    return f"file://{quoted}" if path.startswith("/") else quoted
