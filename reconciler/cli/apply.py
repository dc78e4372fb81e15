"""`reconciler apply`, `ack` and `history`: accept the accounts folder, let a guarded plan pass, look back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import (
    DEFAULT_ACCOUNTS,
    DEFAULT_SECRETS,
    DEFAULT_STATE,
    Accounts,
    Directory,
    Format,
    PolicyFile,
    ReportFile,
    Secrets,
    State,
    TextOrJson,
)
from reconciler.cli.plan import show_findings
from reconciler.cli.user import acting_user

if TYPE_CHECKING:
    from reconciler.core.outcome import ApplyResult
    from reconciler.core.policy import Policy
    from reconciler.core.registry import Registry
    from reconciler.core.saved import SavedPlan
    from reconciler.runtime.desired import Reading
    from reconciler.store.database import Store

PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Apply exactly what this saved plan says, or nothing.")
]


def apply(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    policy: PolicyFile = None,
    report: ReportFile = None,
    plan: PlanFile = None,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Apply the accounts folder, tenant by tenant.

    Doing it twice changes nothing. Exits 1 if files have errors (the other tenants are applied), 3 if a guard blocks
    a tenant until its plan is acknowledged, 75 if the folder cannot be had or another process is the writer. With
    --plan it exits 1 if anything differs from the saved plan, 3 if a part of it is blocked; then nothing is applied.
    """
    from reconciler.cli.compose import registry
    from reconciler.core.errors import ExitCode, worst
    from reconciler.core.finding import Severity
    from reconciler.report.apply import apply_json, apply_text
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.handing import write_result
    from reconciler.source.policy import read_policy
    from reconciler.store.database import open_store

    models, rules, expected = registry(), read_policy(policy), _expected(plan)
    store = open_store(state, create=True)
    try:
        reading, result = _applied(store, Path(directory or accounts), models, secrets, rules, expected)
    finally:
        store.close()
    typer.echo(apply_json(result) if output is TextOrJson.JSON else apply_text(result), nl=False)
    if report is not None:
        write_result(report, reading, result, utc_now)
    errors = any(finding.severity is Severity.ERROR for finding in reading.findings)
    raise typer.Exit(worst(result.exit_code, ExitCode.FINDINGS if errors else ExitCode.CLEAN).value)


def _applied(
    store: Store, root: Path, models: Registry, secrets: Path, rules: Policy, expected: SavedPlan | None
) -> tuple[Reading, ApplyResult]:
    from datetime import timedelta

    from reconciler.cli.secrets import secret_check
    from reconciler.runtime.apply import reconcile_once
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.rolling import read_effective
    from reconciler.source.files import Folder
    from reconciler.store.applied import read_applied
    from reconciler.store.lease import Right, take

    now = utc_now()
    # Nothing renews the lease meanwhile, and thousands of tenants take longer than one is usually good for.
    with take(store, Right.APPLY, "apply", now, lasting=timedelta(minutes=10)) as lease:
        with store.read() as connection:
            applied = read_applied(connection, models)
            effective = read_effective(connection, Folder(root), models, applied, now, rules)
        show_findings(effective.reading)
        result = reconcile_once(
            store,
            models,
            effective.reading,
            source=effective.reading.desired.source,
            now=now,
            has_secret=secret_check(secrets),
            lease=lease,
            author=acting_user(),
            policy=rules,
            expected=expected,
            rolled_back=effective.rolled_back,
            over=effective.over,
        )
    return effective.reading, result


def _expected(plan: Path | None) -> SavedPlan | None:
    from reconciler.core.saved import read_saved_plan
    from reconciler.source.written import read_text

    return read_saved_plan(read_text(plan), str(plan)) if plan is not None else None


def ack(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The digest that plan shows for a guarded tenant.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why the plan may pass; kept for good.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Let a plan pass that a guard blocks.

    The next apply or the running system applies it, as long as its digest stays the same: exactly what was reviewed.
    """
    import re

    from reconciler.report.terminal import instant, visible
    from reconciler.runtime.clock import utc_now
    from reconciler.store.database import open_store
    from reconciler.store.standing import acknowledge

    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise typer.BadParameter("DIGEST: write all 64 characters of the digest that plan shows")
    if not reason.strip():
        raise typer.BadParameter("--reason: write why the plan may pass")
    store = open_store(state)
    try:
        with store.write() as connection:
            kept = acknowledge(connection, digest, reason, acting_user(), utc_now())
    finally:
        store.close()
    typer.echo(f"acknowledged {kept.digest} at {instant(kept.at)} by {visible(kept.by)}: {visible(kept.reason)}")


def history(
    tenant: Annotated[
        str | None, typer.Argument(metavar="[TENANT]", help="One tenant, or main.", show_default=False)
    ] = None,
    diff: Annotated[
        int | None, typer.Option("--diff", min=1, metavar="REV", help="Show what has changed since this revision.")
    ] = None,
    until: Annotated[
        int | None, typer.Option("--to", min=1, metavar="REV", help="With --diff: up to this revision, not today.")
    ] = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Show the applied revisions, newest first; with --diff what lies between two of a tenant."""
    from reconciler.report.apply import history_json, history_text
    from reconciler.store.applied import history as read_history
    from reconciler.store.database import open_store

    if diff is None and until is not None:
        raise typer.BadParameter("--to goes with --diff")
    store = open_store(state)
    try:
        if diff is not None:
            typer.echo(_difference(store, tenant, diff, until, output), nl=False)
            return
        with store.read() as connection:
            revisions = read_history(connection, tenant)
    finally:
        store.close()
    typer.echo(history_json(revisions) if output is TextOrJson.JSON else history_text(revisions), nl=False)


def _difference(store: Store, tenant: str | None, first: int, last: int | None, output: TextOrJson) -> str:
    from reconciler.cli.compose import registry
    from reconciler.core.between import between
    from reconciler.core.errors import Invalid
    from reconciler.report.history_diff import diff_json, diff_text
    from reconciler.store.applied import history as read_history
    from reconciler.store.applied import read_revision

    models = registry()
    with store.read() as connection:
        old, before = read_revision(connection, first, models)
        new, after = read_revision(connection, last or read_history(connection, old.unit)[0].id, models)
    for revision in (old, new):
        if revision.unit != (tenant or old.unit):
            raise Invalid(f"revision {revision.id} is of {revision.unit}, not of {tenant or old.unit}")
    changes = between(new.unit, before, after, new.id)
    return diff_json(old, new, changes) if output is TextOrJson.JSON else diff_text(old, new, changes)
