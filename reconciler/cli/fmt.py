"""`reconciler fmt`: writes the account files in one style."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import DEFAULT_ACCOUNTS, Accounts, Directory


def fmt(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a file is not in the style.")
    ] = False,
) -> None:
    """Write the account files in one style; comments, order and values stay.

    Exits 1 if a file cannot be read (the others are written), with --check also if one is not in the style, 75 if the
    folder cannot be listed.
    """
    from reconciler.core.errors import ExitCode, Invalid
    from reconciler.report.terminal import visible
    from reconciler.source.formatting import formatted
    from reconciler.source.listing import list_folder
    from reconciler.source.written import write_file

    folder = Path(directory or accounts)
    listing = list_folder(folder)
    refused = [f"{found.file}:{found.line}:{found.column}: {found.code} {found.message}" for found in listing.findings]
    changed = 0
    for file in (file for unit in listing.units.values() for file in unit.files):
        try:
            text = formatted(file.data, file.name)
        except Invalid as error:
            refused.append(str(error))
            continue
        if text.encode() != file.data:
            changed += 1
            if not check:
                write_file(folder / file.name, text)
            typer.echo(visible(f"{'not in the style' if check else 'formatted'}: {folder / file.name}"))
    for sentence in refused:
        typer.echo(visible(sentence), err=True)
    typer.echo(f"{listing.files} files: {changed} {'not in the style' if check else 'formatted'}")
    if refused or (check and changed):
        raise typer.Exit(ExitCode.FINDINGS.value)
