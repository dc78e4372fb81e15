"""The options that several commands share, with their environment variables and defaults."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_ACCOUNTS = Path("accounts.d")
DEFAULT_STATE = "sqlite:///.reconciler/state.db"
DEFAULT_SECRETS = Path("secrets")

Directory = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="Short for --accounts DIR.", show_default=False)
]
Accounts = Annotated[
    Path,
    typer.Option("--accounts", metavar="DIR", envvar="RECONCILER_ACCOUNTS", help="The folder of account files."),
]
State = Annotated[
    str, typer.Option("--state", metavar="URL", envvar="RECONCILER_STATE", help="The database of the running system.")
]
Secrets = Annotated[
    Path,
    typer.Option(
        "--secrets", metavar="DIR", envvar="RECONCILER_SECRETS", help="The folder of secrets, DIR/TENANT/NAME."
    ),
]


PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        envvar="RECONCILER_POLICY",
        help="The operators' policy; without it the built-in one holds.",
        show_default=False,
    ),
]


ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Leave the result of each tenant in this file, as JSON."),
]


class TextOrJson(StrEnum):
    """The formats of a command that answers with one object."""

    TEXT = "text"
    JSON = "json"


Format = Annotated[TextOrJson, typer.Option("--format", help="For people or for programs.")]


def colour_wanted() -> bool:
    """True if standard output is a terminal and the user has not asked for none (no-color.org)."""
    import os
    import sys

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
