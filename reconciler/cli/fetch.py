"""`reconciler fetch` and `reconciler send`: one-shot cycles and sending over the applied state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import DEFAULT_SECRETS, DEFAULT_STATE, Secrets, State

if TYPE_CHECKING:
    from reconciler.core.fetch import StepLine
    from reconciler.runtime.supervisor import House


class TextOrNdjson(StrEnum):
    """The formats of a command that answers with a line for each of many things."""

    TEXT = "text"
    NDJSON = "ndjson"


Lines = Annotated[TextOrNdjson, typer.Option("--format", help="For people or for programs, a line each.")]


def fetch(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="With --now: TENANT/ID, TENANT, main; all by default."),
    ] = None,
    drain: Annotated[bool, typer.Option("--drain", help="Cycle until no account has a backlog.")] = False,
    cycles: Annotated[int | None, typer.Option("--cycles", min=1, metavar="N", help="Exactly N cycles.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what a cycle would take; take nothing.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Have the running system give a step at once.")] = False,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Lines = TextOrNdjson.TEXT,
) -> None:
    """Fetch in weighted cycles and route what came: at most `weight` mails from each account in a cycle.

    Reads the applied state only. Exits 4 if an account could not be fetched, 75 beside a running system (with --now:
    without one), 78 if nothing is applied.
    """
    from reconciler.cli.compose import house
    from reconciler.core.errors import ExitCode
    from reconciler.runtime.telemetry import configure_logs

    if drain and cycles is not None:
        raise typer.BadParameter("--drain and --cycles exclude each other")
    if now and (drain or cycles is not None or dry_run):
        raise typer.BadParameter("--now excludes --drain, --cycles and --dry-run")
    if targets and not now:
        raise typer.BadParameter("a TARGET is for --now; without it all accounts have their step")
    troubled: list[str] = []

    def show(line: StepLine) -> None:
        if line.error:
            troubled.append(line.account)
        _print(line, output, _step_text)

    configure_logs("warning")
    wired = house(state, secrets)
    if now:
        _ask(wired, targets or [], show)
    elif dry_run:
        _preview(wired, show)
    else:
        with _drawn(show) if drain else nullcontext(show) as drawn:
            _fetch(wired, drawn, cycles=None if drain else cycles or 1)
    raise typer.Exit(ExitCode.DEGRADED.value if troubled else ExitCode.CLEAN.value)


@contextmanager
def _drawn(show: Any) -> Iterator[Any]:
    """`show` with a progress bar on a terminal's standard error, where it vanishes at the end."""
    import sys

    if not sys.stderr.isatty():
        yield show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from reconciler.report.draining import Drained

    # Lines on the same terminal go above the bar; lines into a file or a pipe stay what they are.
    columns = (TextColumn("mails"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console, above = Console(stderr=True), sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, redirect_stdout=above) as shown:
        drained, bar = Drained(), shown.add_task("mails", total=None)

        def show_and_draw(line: StepLine) -> None:
            show(line)
            done, total = drained.count(line)
            shown.update(bar, completed=done, total=total)

        yield show_and_draw


def _ask(wired: House, targets: list[str], show: Any) -> None:
    """Have the running system give these accounts a step, and show each one."""
    from reconciler.core.suspension import Activity
    from reconciler.runtime.fetch_now import choose_accounts, fetch_now

    chosen = choose_accounts(wired.store, wired.registry, targets)
    _tell(chosen.suspensions, Activity.FETCHING)
    for line in chosen.unfetched:
        show(line)
    fetch_now(wired.store, chosen.keys, show, wired.settings.now_seconds)


def _fetch(wired: House, show: Any, *, cycles: int | None) -> None:
    import threading

    from reconciler.runtime.cycle import Engine
    from reconciler.runtime.holding import holding
    from reconciler.runtime.supervisor import new_boot
    from reconciler.runtime.writer import Writer
    from reconciler.store.lease import Right

    writer, mails = Writer(wired.store), threading.Event()

    def stepped(line: StepLine) -> None:
        show(line)
        if line.taken:
            mails.set()

    engine = Engine(wired.tools(writer), stepped)
    with holding(wired.store, Right.MAIL, "fetch", engine.stop):
        router = wired.router()
        try:
            engine.set_accounts(_accounts(wired))
            intake = wired.intake(writer, router, new_boot())
            with intake.beside(mails):
                if cycles is None:
                    engine.drain()
                else:
                    engine.run_cycles(cycles)
            wired.errands(writer).look()
        finally:
            engine.close()
            router.close()
            writer.close()


def _preview(wired: House, show: Any) -> None:
    from reconciler.runtime.preview import preview
    from reconciler.runtime.writer import Writer

    writer = Writer(wired.store)
    for account in _accounts(wired).values():
        show(preview(wired.tools(writer), account))


def _accounts(wired: House) -> Any:
    from reconciler.core.suspension import Activity, fetchable
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.fleet import read_fleet
    from reconciler.store.suspensions import in_force

    with wired.store.read() as connection:
        fleet, suspensions = read_fleet(connection, wired.registry), in_force(connection, utc_now())
    _tell(suspensions, Activity.FETCHING)
    return fetchable(fleet.accounts, suspensions)


def _tell(suspensions: Any, activity: Any) -> None:
    """Say on standard error why something is not done, so that nobody looks for another cause."""
    from reconciler.report.terminal import visible

    for suspension in suspensions:
        if suspension.activity is activity:
            typer.echo(visible(suspension.sentence), err=True)


def send(
    drain: Annotated[bool, typer.Option("--drain", help="Go on until nothing is due.")] = False,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Lines = TextOrNdjson.TEXT,
) -> None:
    """Send what is in the outbox: one step per account, or with --drain all that is due.

    Exits 4 if a mail was deferred or failed, 75 beside a running system, 78 if nothing is applied.
    """
    from reconciler.cli.compose import house
    from reconciler.core.errors import ExitCode
    from reconciler.core.outbox import DeliveryLine
    from reconciler.core.suspension import Activity
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.holding import holding
    from reconciler.runtime.supervisor import new_boot
    from reconciler.runtime.telemetry import configure_logs
    from reconciler.runtime.writer import Writer
    from reconciler.store.lease import Right
    from reconciler.store.suspensions import in_force

    failed: list[str] = []

    def show(line: DeliveryLine) -> None:
        if line.result != "sent":
            failed.append(line.outbox)
        _print(line, output, _delivery_text)

    configure_logs("warning")
    wired = house(state, secrets)
    with wired.store.read() as connection:
        _tell(in_force(connection, utc_now()), Activity.SENDING)
    with holding(wired.store, Right.MAIL, "send", lambda: sender.stop()):
        writer = Writer(wired.store)
        sender = wired.sender(writer, new_boot(), show)
        if drain:
            sender.drain()
        else:
            sender.step()
        wired.owners_post(writer).drain()
        writer.close()
    raise typer.Exit(ExitCode.DEGRADED.value if failed else ExitCode.CLEAN.value)


def _print(line: Any, output: TextOrNdjson, as_text: Any) -> None:
    import json

    typer.echo(json.dumps(asdict(line)) if output is TextOrNdjson.NDJSON else as_text(line))


def _step_text(line: StepLine) -> str:
    from reconciler.report.terminal import visible

    where = f"{line.tenant or 'main'}/{line.account}"
    waiting = "" if line.backlog is None else f", {line.backlog} waiting"
    trouble = f"  {visible(line.error)}" if line.error else ""
    return f"cycle {line.cycle}  {where} ({line.protocol})  took {line.taken}{waiting}  {line.seconds:.2f} s{trouble}"


def _delivery_text(line: Any) -> str:
    return f"{line.outbox}  {line.case}  to {line.to}  {line.result}"
