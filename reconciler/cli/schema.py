"""`reconciler schema`: prints the JSON schema of the account files, or keeps committed copies of it clean."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Which(StrEnum):
    """The two kinds of account files."""

    TENANT = "tenant"
    MAIN = "main"


def schema(
    which: Annotated[Which, typer.Argument(help="Of a tenant's file, or of main.yaml.")] = Which.TENANT,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="DIR", help="Write both schemas there instead of printing one.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="DIR", help="Exit 1 unless DIR holds exactly these schemas.")
    ] = None,
) -> None:
    """Print the files' JSON schema.

    It is draft-07, which editors read, and has the installed plug-ins' keys.
    """
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name, text in schema_files().items():
            (write / name).write_text(text, encoding="utf-8")
    elif check is not None:
        _check(check)
    else:
        typer.echo(schema_files()[f"{which.value}.schema.json"], nl=False)


def _check(folder: Path) -> None:
    from reconciler.core.errors import Invalid

    stale = [name for name, text in schema_files().items() if _text(folder / name) != text]
    if stale:
        raise Invalid(f"not up to date in {folder}: {', '.join(stale)}; run: reconciler schema --write {folder}")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def schema_files() -> dict[str, str]:
    """File name → text of both schemas, as the installed plug-ins make them."""
    from reconciler.cli.compose import registry
    from reconciler.core.account_schema import account_conditions, main_conditions
    from reconciler.report.schema import schema_text

    models = registry()
    tenant, main = {"Account": account_conditions(models)}, {"": main_conditions()}
    title = "A tenant's accounts, routing and mail texts"
    return {
        "tenant.schema.json": schema_text(models.tenant, title, "tenant", tenant),
        "main.schema.json": schema_text(models.main, "The two main accounts", "main", tenant | main),
    }
