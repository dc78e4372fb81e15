"""`reconciler run`: the running system over one accounts folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import (
    DEFAULT_ACCOUNTS,
    DEFAULT_SECRETS,
    DEFAULT_STATE,
    Accounts,
    Directory,
    Secrets,
    State,
)


def run(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    no_apply: Annotated[bool, typer.Option("--no-apply", help="Only follow what `apply` applies.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
) -> None:
    """Apply, watch, fetch, route and send until Ctrl-C; structured logs go to standard error.

    Exits 0 after a clean end, 1 if a part of it died, 75 if another process writes to the same state.
    """
    from contextlib import ExitStack

    from reconciler.cli.compose import house
    from reconciler.core.errors import ExitCode
    from reconciler.runtime.holding import holding
    from reconciler.runtime.supervisor import Supervisor
    from reconciler.runtime.telemetry import configure_logs
    from reconciler.store.lease import Right

    configure_logs("debug" if debug else "info")
    wired = house(state, secrets, create=not no_apply)
    with ExitStack() as held:
        supervisor: list[Supervisor] = []

        def lost() -> None:
            for running in supervisor:
                running.lease_lost()

        held.enter_context(holding(wired.store, Right.MAIL, "run", lost))
        lease = None if no_apply else held.enter_context(holding(wired.store, Right.APPLY, "run", lost))
        supervisor.append(Supervisor(wired, Path(directory or accounts), lease))
        supervisor[0].run()
    raise typer.Exit(ExitCode.FINDINGS.value if supervisor[0].died else ExitCode.CLEAN.value)
