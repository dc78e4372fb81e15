"""Findings as a GitLab Code Quality report, which a merge request shows as what it makes better or worse."""

from __future__ import annotations

from reconciler.core.finding import Severity
from reconciler.report.findings import Checked, fingerprints
from reconciler.report.terminal import as_json, visible

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor"}


def as_gitlab(checked: Checked) -> str:
    """A JSON list of `description, check_name, fingerprint, severity, location`, errors first."""
    report = [
        {
            "description": visible(f"{finding.code} {finding.message}"),
            "check_name": finding.code,
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[finding.severity],
            "location": {"path": checked.path(finding), "lines": {"begin": finding.line}},
        }
        for finding, fingerprint in fingerprints(checked)
    ]
    return as_json(report)
