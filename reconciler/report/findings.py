"""Findings as text for people and as JSON for machines; what is wrong has been decided elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.core.finding import Finding, Severity

FORMAT_VERSION = 1
_RED, _YELLOW, _BOLD, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was read, and everything to mend in it, sorted.

    `folder` is the accounts folder as the repository's checks see it, with `/` between its parts: relative to the
    directory they run in, or absolute. Only their formats show it; text and JSON name files inside the folder.
    """

    files: int
    tenants: int
    accounts: int
    findings: Sequence[Finding]
    folder: str = ""

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def apart(self) -> list[Finding]:
        """The errors, then the warnings, each in their order."""
        return sorted(self.findings, key=lambda finding: finding.severity is Severity.WARNING)

    def path(self, finding: Finding) -> str:
        """The finding's file as the repository's checks name it."""
        folder, file = self.folder, finding.file
        while file.startswith("../") and folder not in ("", "."):  # the policy lies outside the accounts folder
            folder, file = folder.rpartition("/")[0], file.removeprefix("../")
        return f"{folder}/{file}" if folder not in ("", ".") else file


def fingerprints(checked: Checked) -> Iterator[tuple[Finding, str]]:
    """The findings, errors first, each with 64 hex digits that stay the same while lines above it come and go.

    They cover path, code, pointer and message; findings that have all of these in common are told apart by their order.
    """
    seen = Counter[tuple[str, ...]]()
    for finding in checked.apart:
        content = (checked.path(finding), finding.code, finding.pointer, finding.message)
        seen[content] += 1
        text = json.dumps([*content, seen[content]])
        yield finding, hashlib.sha256(text.encode()).hexdigest()


def as_json(checked: Checked) -> str:
    """One JSON object: format_version, files, tenants, accounts, findings."""
    document = {
        "format_version": FORMAT_VERSION,
        "files": checked.files,
        "tenants": checked.tenants,
        "accounts": checked.accounts,
        "findings": [finding_json(finding) for finding in checked.findings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def finding_json(finding: Finding) -> dict[str, object]:
    """A finding with its place, its code and how to mend it."""
    return {
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "pointer": finding.pointer,
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "help": finding.help,
    }


def as_text(checked: Checked, *, colour: bool) -> str:
    """A line per finding, `file:line:column: error E201 message`, errors first, and a line that sums up."""
    lines = [_line(finding, colour=colour) for finding in checked.apart]
    return "\n".join([*lines, summary(checked)]) + "\n"


def _line(finding: Finding, *, colour: bool) -> str:
    place = f"{finding.file}:{finding.line}:{finding.column}:"
    label = f"{finding.severity.value} {finding.code}"
    message = "".join(c if c.isprintable() else "?" for c in finding.message)
    if colour:
        paint = _RED if finding.severity is Severity.ERROR else _YELLOW
        place, label = f"{_BOLD}{place}{_RESET}", f"{paint}{label}{_RESET}"
    return f"{place} {label} {message}"


def summary(checked: Checked) -> str:
    """`2 files, 1 tenant, 3 accounts: 1 error, 0 warnings`."""
    read = (
        f"{_counted(checked.files, 'file')}, {_counted(checked.tenants, 'tenant')}, "
        f"{_counted(checked.accounts, 'account')}"
    )
    return f"{read}: {severities(checked)}"


def severities(checked: Checked) -> str:
    """`1 error, 0 warnings`."""
    return ", ".join(_counted(checked.count(severity), severity.value) for severity in Severity)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
