"""`reconciler plan`: shows what applying the accounts folder would change and what that would do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.git import (
    DEFAULT_BRANCH,
    DEFAULT_GIT_DIR,
    DEFAULT_PATH,
    BranchName,
    GitDir,
    GitUrl,
    PathInside,
    Rev,
    place_of,
)
from reconciler.cli.options import (
    DEFAULT_ACCOUNTS,
    DEFAULT_SECRETS,
    DEFAULT_STATE,
    Accounts,
    Directory,
    PolicyFile,
    Secrets,
    State,
    TextOrJson,
)

if TYPE_CHECKING:
    from reconciler.core.plan import Plan
    from reconciler.core.policy import Policy
    from reconciler.core.probe import Tried
    from reconciler.core.snapshot import Base
    from reconciler.report.findings import Checked
    from reconciler.runtime.desired import Reading
    from reconciler.runtime.planning import Planned

BaseRev = Annotated[
    str | None,
    typer.Option("--base", metavar="REV", help="Compare with the files of this revision, not with what runs."),
]
SnapshotFile = Annotated[
    Path | None, typer.Option("--snapshot", metavar="FILE", help="Compare with a snapshot of what runs.")
]
ProbeServers = Annotated[
    bool, typer.Option("--probe", help="Try the servers of what changes; log in where the secrets may go already.")
]
ReplayAge = Annotated[
    str | None,
    typer.Option(
        "--replay",
        metavar="AGE",
        help="Replay mails that came in so long under the new rules, as 30d",
    ),
]


class PlanFormat(StrEnum):
    """For people, for programs, and for a comment on a pull request."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


PlanFormats = Annotated[
    PlanFormat, typer.Option("--format", help="For people, for programs, or as a comment on a pull request.")
]


def plan(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    policy: PolicyFile = None,
    output: PlanFormats = PlanFormat.TEXT,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 2 if anything would change.")] = False,
    git: GitUrl = None,
    branch: BranchName = DEFAULT_BRANCH,
    path: PathInside = DEFAULT_PATH,
    git_dir: GitDir = DEFAULT_GIT_DIR,
    rev: Rev = None,
    base: BaseRev = None,
    snapshot: SnapshotFile = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan, for apply --plan.")] = None,
    replay: ReplayAge = None,
    probe: ProbeServers = False,
) -> None:
    """Show what apply would change, compared with what runs.

    Changes nothing. Exits 1 if files have errors (the other tenants are planned), 3 if a guard blocks a change, 75 if
    the folder cannot be listed or has no main.yaml, or the branch cannot be fetched. A policy that cannot be used is an
    error: nothing is planned.
    """
    from reconciler.cli.checked import checked
    from reconciler.cli.compose import registry
    from reconciler.cli.secrets import secret_check
    from reconciler.core.snapshot import read_snapshot
    from reconciler.report.plan import plan_json
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.planning import base_at, plan_once
    from reconciler.source.policy import read_policy
    from reconciler.source.written import read_text, write_file

    folder, models = Path(directory or accounts), registry()
    against: Base | str = state
    if base is not None:
        against = base_at(place_of(folder, git, branch, path, git_dir, base), models)
        for unit in sorted(against.unknown):
            typer.echo(f"reconciler: {against.name}: {unit} has errors there, so all of it is shown as new", err=True)
    elif snapshot is not None:
        against = read_snapshot(read_text(snapshot), str(snapshot), models)
    place = place_of(folder, git, branch, path, git_dir, rev)
    rules = read_policy(policy)
    planned = plan_once(place, against, models, secret_check(secrets), rules, now=utc_now())
    planned, tried = _tried(planned, rules, secrets) if probe else (planned, None)
    _show_beside(planned)
    if out is not None:
        write_file(out, plan_json(planned.plan, planned.acknowledged))
    found = checked(planned.reading, folder if git is None else path)
    text = _rendered(planned.plan, planned.acknowledged, found, output)
    if output is not PlanFormat.MARKDOWN:
        text = _with_replay(text, planned, state, replay, TextOrJson(output.value))
        text = _with_servers(text, tried, TextOrJson(output.value))
    typer.echo(text, nl=False)
    raise typer.Exit(planned.exit_code(changes_count=exit_code).value)


def _tried(planned: Planned, rules: Policy, secrets: Path) -> tuple[Planned, list[Tried]]:
    from reconciler.cli.probe import try_changed

    return try_changed(planned, rules, secrets)


def _with_replay(text: str, planned: Planned, state: str, age: str | None, output: TextOrJson) -> str:
    """The plan with what its rules would have done, if that was asked for."""
    if age is None:
        return text
    from reconciler.cli.replay import with_replay

    return with_replay(text, planned.reading, state, age, output)


def _with_servers(text: str, tried: list[Tried] | None, output: TextOrJson) -> str:
    """The plan with what was found of its servers, if they were tried."""
    if tried is None:
        return text
    from reconciler.cli.probe import with_servers

    return with_servers(text, tried, output)


def _show_beside(planned: Planned) -> None:
    """What to mend, and which tenants run something else than their files; raises if there is nothing to plan."""
    from reconciler.core.errors import Unavailable
    from reconciler.report.terminal import visible

    show_findings(planned.reading)
    for sentence in planned.rolled_back:
        typer.echo(visible(sentence), err=True)
    if planned.reading.main_missing:
        raise Unavailable(f"{planned.plan.source}: main.yaml is missing, so nothing would be applied")


def _rendered(plan: Plan, acknowledged: frozenset[str], found: Checked, output: PlanFormat) -> str:
    if output is PlanFormat.MARKDOWN:
        from reconciler.report.plan_markdown import plan_markdown

        return plan_markdown(plan, acknowledged, found)
    from reconciler.report.plan import plan_json, plan_text

    return plan_json(plan, acknowledged) if output is PlanFormat.JSON else plan_text(plan, acknowledged)


def show_findings(reading: Reading) -> None:
    """Print what is to mend in the files on standard error, so that standard output stays what was asked for."""
    from reconciler.report.findings import Checked, as_text

    if reading.findings:
        checked = Checked(reading.files, reading.tenants, reading.accounts, reading.findings)
        typer.echo(as_text(checked, colour=False), nl=False, err=True)
