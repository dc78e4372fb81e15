"""The command `reconciler`: registers the command families and turns errors into exit codes; does no work itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from reconciler import __version__
from reconciler.cli import cases, explain, fetch, held, import_, key, referrals
from reconciler.cli.apply import ack, apply, history
from reconciler.cli.backup import backup
from reconciler.cli.demo import demo
from reconciler.cli.init import init
from reconciler.cli.inspect import inspect
from reconciler.cli.new import new
from reconciler.cli.plan import plan
from reconciler.cli.probe import probe
from reconciler.cli.resync import audit, resync
from reconciler.cli.run import run as run_system
from reconciler.cli.schema import schema
from reconciler.cli.status import status
from reconciler.cli.suspend import resume, suspend, suspensions
from reconciler.cli.validate import validate
from reconciler.core.errors import ExitCode, ReconcilerError

app = typer.Typer(
    name="reconciler",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
app.command()(validate)
app.command()(schema)
app.command()(plan)
app.command()(apply)
app.command()(ack)
app.command()(history)
app.command()(status)
app.command()(suspend)
app.command()(resume)
app.command()(suspensions)
app.command(name="run")(run_system)
app.command()(fetch.fetch)
app.command()(fetch.send)
app.command()(probe)
app.command()(inspect)
app.command()(resync)
app.command()(audit)
for _command in (
    cases.cases,
    cases.case,
    cases.reply,
    cases.note,
    cases.close,
    cases.reopen,
    referrals.forward,
    referrals.inquire,
    referrals.referrals,
    referrals.remind,
    referrals.withdraw,
    held.held,
    held.release,
    held.discard,
    held.outbox,
):
    app.command()(_command)
app.command()(backup)
app.command()(init)
app.command()(new)
app.command()(demo)
app.add_typer(import_.app, name="import")
app.add_typer(key.key, name="key")
app.add_typer(explain.app, name="explain")

# Typer carries its own copy of click or uses the installed one, by its version; the base of its public class is right
# in both cases.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    _wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Technical mailboxes as YAML in Git: validated, planned, reconciled, fetched fairly and routed."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE.value)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command (default: the process's arguments) and return the exit code."""
    try:
        result = app(args=arguments, prog_name="reconciler", standalone_mode=False)
    except ReconcilerError as error:
        return _told(str(error), error.exit_code.value)
    except typer.Abort:
        return _INTERRUPTED
    except _UsageError as error:
        return _told(f"{_usage_text(error)} (see: reconciler --help)", ExitCode.USAGE.value)
    return result if isinstance(result, int) else ExitCode.CLEAN.value


def main() -> None:
    """The console script."""
    sys.exit(run())


def _told(text: str, code: int) -> int:
    typer.echo(f"reconciler: {' '.join(text.split())}", err=True)
    return code


def _usage_text(error: Exception) -> str:
    words = getattr(error, "format_message", error.__str__)()
    return str(words).replace("Value error, ", "").rstrip(".")
