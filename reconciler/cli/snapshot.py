"""`reconciler snapshot`: what runs, for plans where the state itself cannot be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import DEFAULT_STATE, State


def snapshot(
    state: State = DEFAULT_STATE,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write it to this file instead of standard output."),
    ] = None,
) -> None:
    """Print what runs as JSON, for `plan --snapshot`.

    Holds the applied accounts, how many cases and referrals are open, and when the last mail came: no secrets, no
    addresses or texts of customers. Exits 78 if nothing was ever applied.
    """
    from reconciler.cli.compose import registry, store
    from reconciler.core.snapshot import snapshot_data
    from reconciler.report.terminal import as_json
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.planning import take_snapshot
    from reconciler.source.written import write_file

    opened = store(state)
    try:
        text = as_json(dict(snapshot_data(take_snapshot(opened, registry()), utc_now())))
    finally:
        opened.close()
    if out is not None:
        write_file(out, text)
    else:
        typer.echo(text, nl=False)
