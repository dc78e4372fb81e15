"""Renders what one pass over the accounts came to as a file for CI: the result of each tenant with its errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from reconciler.core.finding import Finding, Severity
from reconciler.core.outcome import ApplyResult
from reconciler.report.findings import finding_json
from reconciler.report.terminal import as_json, instant


def result_json(
    result: ApplyResult, findings: Sequence[Finding], *, source: str, commit: str | None, at: datetime
) -> str:
    """The outcomes as `apply --format json` has them, each with the errors of its files; and when, of what."""
    document: dict[str, Any] = {
        "format_version": 1,
        "at": instant(at),
        "source": source,
        "commit": commit,
        "tenants": [
            {
                "tenant": outcome.tenant,
                "revision": outcome.revision,
                "digest": outcome.digest,
                "result": outcome.result,
                "plan": outcome.plan,
                "reason": outcome.reason,
                "findings": [
                    finding_json(f) for f in findings if f.unit == outcome.tenant and f.severity is Severity.ERROR
                ],
            }
            for outcome in result.tenants
        ],
        "secrets_to_provide": list(result.secrets_to_provide),
    }
    return as_json(document)
