"""Renders what applying came to, and the history of what was applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.outcome import ApplyResult, Result
from reconciler.core.revision import Revision
from reconciler.report.terminal import as_json, columns, instant, visible


def apply_json(result: ApplyResult) -> str:
    """Each unit's outcome with the revision that runs now and its digest; `plan` is the digest that `ack` takes."""
    document: dict[str, Any] = {
        "format_version": 1,
        "tenants": [
            {
                "tenant": outcome.tenant,
                "revision": outcome.revision,
                "digest": outcome.digest,
                "result": outcome.result,
                "plan": outcome.plan,
                "reason": outcome.reason,
            }
            for outcome in result.tenants
        ],
        "secrets_to_provide": list(result.secrets_to_provide),
    }
    return as_json(document)


def apply_text(result: ApplyResult) -> str:
    """One line per unit."""
    rows = [
        (
            visible(outcome.tenant),
            str(outcome.result),
            f"revision {outcome.revision}" if outcome.revision is not None else "never applied",
            visible(outcome.reason),
        )
        for outcome in result.tenants
    ]
    secrets = [f"secret to provide: {visible(name)}" for name in result.secrets_to_provide]
    return "".join(line + "\n" for line in [*columns(rows), *secrets])


def history_json(revisions: Sequence[Revision]) -> str:
    """The revisions, newest first, in the shape of what applying them came to."""
    document: dict[str, Any] = {
        "format_version": 1,
        "tenants": [
            {
                "tenant": revision.unit,
                "revision": revision.id,
                "digest": revision.digest,
                "result": _result(revision),
                "source": revision.source,
                "commit": revision.commit,
                "author": revision.author,
                "committed_at": instant(revision.committed_at),
                "applied_at": instant(revision.applied_at),
            }
            for revision in revisions
        ],
    }
    return as_json(document)


def history_text(revisions: Sequence[Revision]) -> str:
    """One line per revision, newest first."""
    rows = [
        (
            str(revision.id),
            instant(revision.applied_at) or "",
            visible(revision.unit),
            _result(revision),
            revision.digest[:12],
            visible(revision.author or "-"),
            visible(revision.commit or revision.source),
        )
        for revision in revisions
    ]
    return "".join(line + "\n" for line in columns(rows))


def _result(revision: Revision) -> Result:
    return Result.RETIRED if revision.retired else Result.APPLIED
