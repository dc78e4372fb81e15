"""`reconciler explain`: why an account is as it is, who serves a tenant, what a finding's code means."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import DEFAULT_ACCOUNTS, DEFAULT_STATE, Accounts, Format, State, TextOrJson

if TYPE_CHECKING:
    from reconciler.core.commit import Commit
    from reconciler.core.registry import Registry
    from reconciler.core.revision import AppliedState, Origin, Slice
    from reconciler.report.explain import ExplainedAccount

app = typer.Typer(help="Say why something is as it is.", no_args_is_help=True)


class SystemType(StrEnum):
    """The account types that serve a tenant."""

    REPLY = "reply"
    SECOND_LEVEL_REPLY = "second-level-reply"


@app.command()
def account(
    label: Annotated[str, typer.Argument(metavar="TENANT/ID", help="The account; main/ID for a main account.")],
    accounts: Accounts = DEFAULT_ACCOUNTS,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Show an account's effective values, each with the place where it is written."""
    from reconciler.cli.compose import registry
    from reconciler.report.explain import account_json, account_text

    models = registry()
    applied = _applied(state, models)
    explained = _explain(label, applied, _wanted(label, Path(accounts), models, applied))
    explained = replace(explained, commit=_commit(state, explained.revision))
    typer.echo(account_json(explained) if output is TextOrJson.JSON else account_text(explained), nl=False)


@app.command()
def serving(
    tenant: Annotated[str, typer.Argument(metavar="TENANT")],
    account_type: Annotated[SystemType, typer.Argument(metavar="TYPE", help="reply or second-level-reply.")],
    via: Annotated[
        str | None, typer.Option("--via", metavar="ID", help="As if an inbound account named this one.")
    ] = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Show which account takes the answers to a tenant's forwards (reply) or inquiries (second-level-reply)."""
    from reconciler.cli.compose import registry
    from reconciler.core.account import AccountType
    from reconciler.core.errors import NotSetUp
    from reconciler.core.serving import serving as decide
    from reconciler.report.explain import serving_json, serving_text

    applied = _applied(state, registry())
    if not applied.units:
        raise NotSetUp(f"nothing is applied at {state}; run: reconciler apply")
    wanted = AccountType(account_type.value)
    found = decide(applied, tenant, wanted, via)
    render = serving_json if output is TextOrJson.JSON else serving_text
    typer.echo(render(tenant, wanted, found), nl=False)


@app.command()
def code(
    finding_code: Annotated[str, typer.Argument(metavar="CODE", help="Such as E201.")],
    output: Format = TextOrJson.TEXT,
) -> None:
    """Say what a finding's code means and how to mend it."""
    from reconciler.core.errors import Invalid
    from reconciler.core.finding import CATALOGUE, severity_of
    from reconciler.report.explain import code_json, code_text

    name = finding_code.upper()
    if name not in CATALOGUE:
        raise Invalid(f"there is no code {finding_code}; codes are {min(CATALOGUE)} to {max(CATALOGUE)}")
    render = code_json if output is TextOrJson.JSON else code_text
    typer.echo(render(name, severity_of(name), CATALOGUE[name]), nl=False)


@app.command()
def message(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="M12 (received), O7 (sent) or a Message-ID in <>.")],
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Show where a mail came from, what was decided and why, what was sent, and the YAML line behind it."""
    from reconciler.cli.compose import store
    from reconciler.report.cases import explained_text
    from reconciler.report.terminal import as_json
    from reconciler.runtime.explain import explain_message

    with store(state).read() as connection:
        explained = explain_message(connection, message_id)
    if output is TextOrJson.JSON:
        typer.echo(as_json({"format_version": 1, **explained}), nl=False)
    else:
        typer.echo(explained_text(explained), nl=False)


def _applied(state: str, models: Registry) -> AppliedState:
    from reconciler.core.revision import NOTHING_APPLIED
    from reconciler.runtime.planning import existing
    from reconciler.store.applied import read_applied

    with existing(state) as store:
        if store is None:
            return NOTHING_APPLIED
        with store.read() as connection:
            return read_applied(connection, models)


def _commit(state: str, revision: int | None) -> Commit | None:
    from reconciler.runtime.planning import existing
    from reconciler.store.applied import commit_of

    with existing(state) as store:
        if store is None or revision is None:
            return None
        with store.read() as connection:
            return commit_of(connection, revision)


def _wanted(label: str, folder: Path, models: Registry, applied: AppliedState) -> Slice | None:
    """What the files want of the account's unit; None if they cannot be read or do not have it."""
    from reconciler.core.errors import Unavailable
    from reconciler.runtime.desired import read_desired

    try:
        reading = read_desired(folder, models, applied)
    except Unavailable:
        return None
    return reading.desired.units.get(label.partition("/")[0])


def _explain(label: str, applied: AppliedState, wanted: Slice | None) -> ExplainedAccount:
    from reconciler.core.errors import Invalid
    from reconciler.report.explain import ExplainedAccount, settings_of

    unit, _, account_id = label.partition("/")
    runs = applied.accounts.get((unit, account_id))
    written = wanted.document.account(account_id) if wanted is not None else None
    in_force = unit in applied.units and wanted is not None and wanted.digest == applied.units[unit].digest

    def locate(path: str) -> Origin:
        if wanted is not None and (runs is None or in_force):
            return wanted.locate(f"accounts/{account_id}/{path.replace('.', '/')}")
        assert runs is not None
        return runs.origin

    if runs is None and written is None:
        raise Invalid(f"there is no account {label}, neither applied nor in valid files; see: reconciler status")
    if runs is None:
        assert written is not None
        return ExplainedAccount(label, None, None, None, False, settings_of(written, locate))
    shown = written if in_force and written is not None else runs.account
    pending = wanted is not None and not in_force
    settings = settings_of(shown, locate)
    return ExplainedAccount(runs.label, runs.status.value, runs.revision, runs.since, pending, settings)
