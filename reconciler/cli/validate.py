"""`reconciler validate`: reads the accounts folder and says what is to mend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import DEFAULT_ACCOUNTS, Accounts, Directory, Format, TextOrJson, colour_wanted

if TYPE_CHECKING:
    from reconciler.report.findings import Checked


def validate(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Check the account files.

    Names every error of every file, with its line, in one run. Exits 0 if all is well, 1 with errors (with --strict:
    or warnings), 75 if the folder cannot be listed.
    """
    from reconciler.cli.compose import registry
    from reconciler.report.findings import Checked, as_json, as_text
    from reconciler.runtime.desired import read_desired

    reading = read_desired(Path(directory or accounts), registry())
    checked = Checked(reading.files, reading.tenants, reading.accounts, reading.findings)
    text = as_json(checked) if output is TextOrJson.JSON else as_text(checked, colour=colour_wanted())
    typer.echo(text, nl=False)
    raise typer.Exit(_exit_code(checked, strict=strict))


def _exit_code(checked: Checked, *, strict: bool) -> int:
    from reconciler.core.errors import ExitCode
    from reconciler.core.finding import Severity

    bad = checked.findings if strict else checked.count(Severity.ERROR)
    return ExitCode.FINDINGS.value if bad else ExitCode.CLEAN.value
