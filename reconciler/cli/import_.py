"""`reconciler import`: carries a foreign list of accounts over into an accounts folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import DEFAULT_SECRETS, Format, Secrets, TextOrJson

if TYPE_CHECKING:
    from reconciler.runtime.importing import Carried

app = typer.Typer(help="Carry a foreign list of accounts over.", no_args_is_help=True)


@app.callback()
def _import() -> None:
    """Carry a foreign list of accounts over."""


@app.command("csv")
def csv(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list; its first row names the columns.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="The accounts folder to write to.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")] = False,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Write the accounts of a list, a row an account, into the tenants' files.

    Passwords of the list are never written anywhere: they are named as secrets to provide. Exits 1 if a row could not
    be carried over; the others are. Doing it twice changes nothing.
    """
    from reconciler.cli.compose import registry
    from reconciler.core.errors import ExitCode, Invalid, NotSetUp
    from reconciler.runtime.additions import AccountsFolder
    from reconciler.runtime.importing import carry_over
    from reconciler.source.foreign import read_csv

    if not into.is_dir():
        raise NotSetUp(f"there is no accounts folder {into}; run: reconciler init DIR")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from error
    models = registry()
    listed = read_csv(data, models.protocols)
    carried = carry_over(AccountsFolder(into, models), listed)
    if not dry_run:
        carried.proposal.write()
    _show(carried, listed.ignored, into, secrets, output, dry_run=dry_run)
    raise typer.Exit((ExitCode.FINDINGS if carried.problems else ExitCode.CLEAN).value)


def _show(
    carried: Carried, ignored: tuple[str, ...], into: Path, secrets: Path, output: TextOrJson, *, dry_run: bool
) -> None:
    import json

    from reconciler.cli.secrets import secret_check

    has_secret = secret_check(secrets)
    missing = [(tenant, name, shown) for tenant, name, shown in carried.secrets if not has_secret(tenant, name)]
    if output is TextOrJson.JSON:
        typer.echo(json.dumps(_answer(carried, ignored, missing, dry_run=dry_run), indent=2, ensure_ascii=False))
        return
    word = "would write" if dry_run else "written"
    for name in carried.proposal.texts:
        labels = [a.label for (written, _), a in carried.proposal.places.items() if written == name]
        typer.echo(f"{word} {into / name}: {', '.join(labels)}")
    for label in carried.present:
        typer.echo(f"there already: {label}")
    for tenant, name, shown in missing:
        typer.echo(f"secret to provide: {secrets / tenant / name}" + (" (the list shows it)" if shown else ""))
    for column in ignored:
        typer.echo(f"not carried over: the column {_plain(column)}", err=True)
    for problem in carried.problems:
        typer.echo(f"line {problem.line}: not carried over: {problem.reason}; {problem.mend}", err=True)


def _answer(carried: Carried, ignored: tuple[str, ...], missing: Any, *, dry_run: bool) -> dict[str, Any]:
    return {
        "format_version": 1,
        "written": not dry_run,
        "files": list(carried.proposal.texts),
        "added": list(carried.added),
        "present": list(carried.present),
        "problems": [{"line": p.line, "reason": p.reason, "mend": p.mend} for p in carried.problems],
        "ignored_columns": list(ignored),
        "secrets_to_provide": [f"{tenant}/{name}" for tenant, name, _ in missing],
    }


def _plain(text: str) -> str:
    from reconciler.report.terminal import visible

    return visible(text)
