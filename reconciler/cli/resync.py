"""`reconciler resync` and `audit`: what a mailbox and the ledger share, and what becomes of unknown mails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import DEFAULT_SECRETS, DEFAULT_STATE, Format, Secrets, State, TextOrJson
from reconciler.cli.user import acting_user

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.resync import Comparison
    from reconciler.runtime.resync import Ground
    from reconciler.runtime.step import Tools

Label = Annotated[str, typer.Argument(metavar="TENANT/ID", help="The account; main/ID for a main account.")]


def resync(
    label: Label,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Unknown mails count as dealt with: they stay there and are never fetched.")
    ] = False,
    fetch_unknown: Annotated[
        bool, typer.Option("--fetch-unknown", help="Unknown mails are new: the next steps fetch them.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept for good.")] = None,
    folder: Annotated[str | None, typer.Option("--folder", help="Only this folder.")] = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Show what a folder whose UIDs were given out anew has in common with the ledger; with an option, decide it.

    Exits 4 if a decision is due, 1 if there is nothing to decide, 75 if the server cannot be asked, 78 if nothing is
    applied.
    """
    from reconciler.core.errors import ExitCode
    from reconciler.report.resync import resync_json, resync_text
    from reconciler.runtime.resync import heads_of, look

    if (adopt and fetch_unknown) or (adopt or fetch_unknown) is (reason is None):
        raise typer.BadParameter("a decision is --adopt or --fetch-unknown, with --reason TEXT")
    how = "adopt" if adopt else "fetch-unknown" if fetch_unknown else None
    with _ground(state, secrets, label) as (tools, ground):
        found = look(ground, folder)
        heads = heads_of(ground, found)
        if how is not None and reason is not None:
            _decide(tools, ground, found, how, reason)
    show = resync_json if output is TextOrJson.JSON else resync_text
    typer.echo(show(label, found, heads, how), nl=False)
    due = how is None and any(one.needs_decision for one in found)
    raise typer.Exit((ExitCode.DEGRADED if due else ExitCode.CLEAN).value)


def audit(
    label: Label,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Compare the UIDs on the server with the ledger and list each difference; changes nothing.

    Exits 1 if there is one, 75 if the server cannot be asked, 78 if nothing is applied.
    """
    from reconciler.core.errors import ExitCode
    from reconciler.report.resync import audit_json, audit_text
    from reconciler.runtime.audit import audit_account

    with _ground(state, secrets, label) as (_, ground):
        found = audit_account(ground)
    typer.echo((audit_json if output is TextOrJson.JSON else audit_text)(label, found), nl=False)
    differ = any(one.differences for one in found)
    raise typer.Exit((ExitCode.FINDINGS if differ else ExitCode.CLEAN).value)


def _decide(tools: Tools, ground: Ground, found: list[Comparison], how: str, reason: str) -> None:
    from reconciler.core.errors import Invalid
    from reconciler.runtime.resync import renumbering
    from reconciler.store.resync import Decision, renumber

    if not found:
        raise Invalid("there is nothing to decide: the ledger and the server agree")
    decision = Decision(how, reason, acting_user(), tools.clock())
    with tools.store.write() as connection:
        for one in found:
            renumber(connection, renumbering(ground.account.key, one, adopt=how == "adopt"), decision)


@contextmanager
def _ground(state: str, secrets: Path, label: str) -> Iterator[tuple[Tools, Ground]]:
    """The account's mailbox, opened read-only. Raises Unavailable if it cannot be asked."""
    from reconciler.cli.compose import house
    from reconciler.core.errors import Unavailable
    from reconciler.core.health import Refused, Trouble
    from reconciler.runtime.fleet import looking, read_account
    from reconciler.runtime.resync import Ground
    from reconciler.runtime.telemetry import configure_logs
    from reconciler.runtime.thread_door import open_session
    from reconciler.runtime.writer import Writer

    configure_logs("warning")
    wired = house(state, secrets)
    writer = Writer(wired.store)
    tools = wired.tools(writer)
    try:
        with wired.store.read() as connection:
            account = looking(read_account(connection, wired.registry, label))
        session = open_session(tools, account)
        try:
            yield tools, Ground(account, session, wired.store, wired.settings.mail_bytes)
        finally:
            session.close()
    except (Trouble, Refused) as error:
        raise Unavailable(f"{label}: {error.condition.value}: {error}") from error
    finally:
        writer.close()
