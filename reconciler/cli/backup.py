"""`reconciler backup`: a copy of the state while everything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import DEFAULT_STATE, State


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; a file that is there is never replaced.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Copy the state into a file of mode 0600, beside whatever runs.

    Secrets are not in it. To go back: stop `run`, put the file in place, and start `run --after-restore`.
    """
    from reconciler.runtime.clock import utc_now
    from reconciler.store.backup import back_up
    from reconciler.store.database import open_store

    store = open_store(state)
    try:
        size = back_up(store, file, utc_now())
    finally:
        store.close()
    typer.echo(f"{file}: {size} bytes, checked")
