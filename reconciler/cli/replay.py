"""`reconciler replay`: runs other rules over the mails that came and shows which would go elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.fetch import Lines, TextOrNdjson
from reconciler.cli.options import DEFAULT_ACCOUNTS, DEFAULT_STATE, Accounts, State, TextOrJson

if TYPE_CHECKING:
    from reconciler.core.replay import Replayed, RuleSets
    from reconciler.runtime.desired import Reading
    from reconciler.store.database import Store

Age = Annotated[
    str | None, typer.Option("--age", metavar="DURATION", help="Only mails that came in so long, such as 30d.")
]


def replay(
    before: Annotated[
        str, typer.Option("--from", metavar="REV", help="The old rules: `applied`, a revision's number or a commit.")
    ] = "applied",
    after: Annotated[
        str | None, typer.Option("--to", metavar="RULES", help="The new rules: a folder (--accounts) or a revision.")
    ] = None,
    age: Age = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read each mail whole and decide it anew, its kind too.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show some mails of each move.")] = False,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    state: State = DEFAULT_STATE,
    output: Lines = TextOrNdjson.TEXT,
) -> None:
    """Run old and new rules over the stored mails and show which would go elsewhere. Changes nothing.

    Exits 1 if the new files have errors (the other tenants are replayed), 78 if nothing is applied.
    """
    from reconciler.cli.compose import store
    from reconciler.core.errors import ExitCode
    from reconciler.report.replay import replay_ndjson, replay_text
    from reconciler.runtime.replay import Job

    opened = store(state)
    old, _ = _rules(opened, before, "--from")
    new, well = _rules(opened, after or str(accounts), "--to")
    if tenant is not None:
        old, new = ({unit: rules for unit, rules in sets.items() if unit == tenant} for sets in (old, new))
    found = run_replay(opened, state, Job(old, new, full), age)
    text = replay_text(found, verbose=verbose) if output is TextOrNdjson.TEXT else replay_ndjson(found)
    typer.echo(text, nl=False)
    raise typer.Exit((ExitCode.CLEAN if well else ExitCode.FINDINGS).value)


def run_replay(opened: Store, state: str, job: Any, age: str | None) -> Replayed:
    """Replay with a progress bar on a terminal's standard error."""
    import sys

    from reconciler.core.settings import parse_duration
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.replay import replay as replay_mails

    since = None
    if age is not None:
        try:
            since = utc_now() - parse_duration(age)  # type: ignore[operator]
        except ValueError as error:
            raise typer.BadParameter(f"--age: {error}") from None
    if not sys.stderr.isatty():
        return replay_mails(opened, state, job, since)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("mails", total=None)
        return replay_mails(
            opened, state, job, since, lambda done, total: shown.update(bar, completed=done, total=total)
        )


def with_replay(text: str, reading: Reading, state: str, age: str, output: TextOrJson) -> str:
    """A plan's text or JSON with what its rules would have done to the mails that came; null without applied state."""
    from reconciler.report.replay import replay_impact, replay_text
    from reconciler.runtime.planning import existing
    from reconciler.runtime.replay import Job

    with existing(state) as opened:
        found = run_replay(opened, state, Job(_rules(opened, "applied")[0], _wanted(reading)), age) if opened else None
    if output is TextOrJson.TEXT:
        return f"{text}\n{replay_text(found, verbose=False)}" if found is not None else text
    import json

    from reconciler.report.terminal import as_json

    return as_json(json.loads(text) | {"replay": replay_impact(found) if found is not None else None})


def _rules(opened: Store, named: str, option: str = "--from") -> tuple[RuleSets, bool]:
    """The rules that are meant, and whether all files could be read."""
    from reconciler.cli.compose import registry
    from reconciler.cli.plan import show_findings
    from reconciler.core.finding import Severity
    from reconciler.runtime.desired import read_desired
    from reconciler.store.applied import read_applied
    from reconciler.store.replay import applied_rules

    with opened.read() as connection:
        applied = read_applied(connection, registry())
        if named == "applied":
            documents = ((unit, applied.tenant_document(unit)) for unit in applied.units)
            return {unit: document.routing for unit, document in documents if document is not None}, True
        if option == "--from" or not Path(named).is_dir():
            return applied_rules(connection, named), True
    reading = read_desired(Path(named), registry(), applied)
    show_findings(reading)
    return _wanted(reading), all(finding.severity is not Severity.ERROR for finding in reading.findings)


def _wanted(reading: Reading) -> RuleSets:
    """The rules of the valid tenants of a folder."""
    from reconciler.core.account import TenantDocument

    documents = {unit: wanted.document for unit, wanted in reading.desired.units.items()}
    return {unit: document.routing for unit, document in documents.items() if isinstance(document, TenantDocument)}
