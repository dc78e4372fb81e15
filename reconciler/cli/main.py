"""The command `reconciler`: registers the command families and turns errors into exit codes; does no work itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from reconciler import __version__
from reconciler.cli.lazy import LazyCommand
from reconciler.core.errors import ExitCode, ReconcilerError

COMMANDS = (
    LazyCommand("validate", "validate", "validate", "Check the account files."),
    LazyCommand("fmt", "fmt", "fmt", "Write the account files in one style."),
    LazyCommand("schema", "schema", "schema", "Print the files' JSON schema."),
    LazyCommand("plan", "plan", "plan", "Show what apply would change, compared with what runs."),
    LazyCommand("apply", "apply", "apply", "Apply the accounts folder, tenant by tenant."),
    LazyCommand("ack", "apply", "ack", "Let a plan pass that a guard blocks."),
    LazyCommand("accept-rewrite", "git", "accept_rewrite", "Let a branch be followed that was rewritten."),
    LazyCommand("snapshot", "snapshot", "snapshot", "Print what runs as JSON, for `plan --snapshot`."),
    LazyCommand("history", "apply", "history", "Show the applied revisions, newest first."),
    LazyCommand("status", "status", "status", "Show how every tenant and account stands."),
    LazyCommand("rollback", "rollback", "rollback", "Run an earlier revision of a tenant for a while."),
    LazyCommand("suspend", "suspend", "suspend", "Stop fetching or sending for a while."),
    LazyCommand("resume", "suspend", "resume", "End a suspension before its time."),
    LazyCommand("suspensions", "suspend", "suspensions", "List what is suspended, until when and why."),
    LazyCommand("run", "run", "run", "Apply, watch, fetch, route and send until Ctrl-C."),
    LazyCommand("fetch", "fetch", "fetch", "Fetch in weighted cycles and route what came."),
    LazyCommand("send", "fetch", "send", "Send what is in the outbox."),
    LazyCommand("probe", "probe", "probe", "Try out an account's servers, changing nothing there."),
    LazyCommand("inspect", "inspect", "inspect", "Read mails from files and say what each is and why."),
    LazyCommand("resync", "resync", "resync", "Decide for a mailbox that was rebuilt on its server."),
    LazyCommand("replay", "replay", "replay", "Run other rules over the mails that came."),
    LazyCommand("audit", "resync", "audit", "Compare a mailbox with the ledger."),
    LazyCommand("cases", "cases", "cases", "List the cases, the one that changed last first."),
    LazyCommand("case", "cases", "case", "Show a case with everything that belongs to it."),
    LazyCommand("reply", "cases", "reply", "Answer the customer."),
    LazyCommand("note", "cases", "note", "Put a note on the case; nobody is sent it."),
    LazyCommand("close", "cases", "close", "Close the case; the customer's next mail opens it again."),
    LazyCommand("reopen", "cases", "reopen", "Open a closed case again."),
    LazyCommand("forward", "referrals", "forward", "Send the case to external contacts without closing it."),
    LazyCommand("inquire", "referrals", "inquire", "Ask external contacts about the case."),
    LazyCommand("referrals", "referrals", "referrals", "The second-level folders: who was asked, and answered."),
    LazyCommand("remind", "referrals", "remind", "Remind a contact who has not answered yet."),
    LazyCommand("withdraw", "referrals", "withdraw", "Stop waiting for an answer."),
    LazyCommand("held", "held", "held", "List the mails that were set aside for a person."),
    LazyCommand("release", "held", "release", "Let a held mail go on."),
    LazyCommand("discard", "held", "discard", "Close a held mail without doing anything with it."),
    LazyCommand("reclassify", "held", "reclassify", "Say what a mail is; it is decided anew."),
    LazyCommand("exceptions", "held", "exceptions", "List whom a person lets pass, or take one back."),
    LazyCommand("retention", "retention", "retention", "Show or take what is older than the settings allow."),
    LazyCommand("erase", "retention", "erase", "Erase a person: mails, names, addresses, texts."),
    LazyCommand("acts", "retention", "acts", "List what people decided, newest first."),
    LazyCommand("outbox", "held", "outbox", "List the mails of ours: waiting, sent, failed."),
    LazyCommand("backup", "backup", "backup", "Copy the state into a file, beside whatever runs."),
    LazyCommand("init", "init", "init", "Write a new account repository."),
    LazyCommand("new", "new", "new", "Add an account to a tenant's file."),
    LazyCommand("demo", "demo", "demo", "Play the story on loopback servers."),
    LazyCommand("import", "import_", "app", "Carry a foreign list of accounts over."),
    LazyCommand("key", "key", "key", "The keys that sign the tokens in our mails."),
    LazyCommand("explain", "explain", "app", "Say why something is as it is."),
)
"""Name, module of `reconciler.cli`, function or group in it, and the summary that `--help` shows, of each command."""

_app = typer.Typer(
    name="reconciler",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)

# Typer carries its own copy of click or uses the installed one, by its version; the base of its public class is right
# in both cases.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


@_app.callback(invoke_without_command=True)
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


def program() -> Any:
    """The whole command line as one command group."""
    group: Any = typer.main.get_command(_app)
    for command in COMMANDS:
        group.add_command(command)
    return group


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command (default: the process's arguments) and return the exit code."""
    # Looking for pydantic's plug-ins reads the metadata of every installed package; no command needs any.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    try:
        result = program().main(args=arguments, prog_name="reconciler", standalone_mode=False)
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
