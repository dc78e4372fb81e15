"""Findings as GitHub workflow commands, which the runner shows as annotations beside the lines of a pull request.

The commands and their escapes: "Workflow commands for GitHub Actions". GitHub shows at most ten errors and ten warnings
of a step, so errors come first; the log has them all.
"""

from __future__ import annotations

from reconciler.core.finding import CATALOGUE, Finding
from reconciler.report.findings import Checked, summary
from reconciler.report.terminal import visible

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = _DATA | {":": "%3A", ",": "%2C"}


def as_github(checked: Checked) -> str:
    """A command per finding, errors first, and a line that sums up."""
    return "\n".join([*(_command(checked, finding) for finding in checked.apart), summary(checked)]) + "\n"


def _command(checked: Checked, finding: Finding) -> str:
    properties = {
        "file": checked.path(finding),
        "line": str(finding.line),
        "col": str(finding.column),
        "title": f"{finding.code} {CATALOGUE[finding.code].title}",
    }
    said = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    return f"::{finding.severity.value} {said}::{_escaped(finding.message, _DATA)}"


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(c, c) for c in visible(text))
