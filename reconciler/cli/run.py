"""`reconciler run`: the running system over one accounts folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import (
    DEFAULT_ACCOUNTS,
    DEFAULT_SECRETS,
    DEFAULT_STATE,
    Accounts,
    Directory,
    PolicyFile,
    Secrets,
    State,
)

if TYPE_CHECKING:
    from contextlib import ExitStack

    from reconciler.runtime.heartbeat import Heartbeats
    from reconciler.runtime.observer import Observer
    from reconciler.store.database import Store
    from reconciler.store.lease import Lease


def run(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    policy: PolicyFile = None,
    no_apply: Annotated[bool, typer.Option("--no-apply", help="Only follow what `apply` applies.")] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="ADDRESS",
            envvar="RECONCILER_METRICS",
            help="Serve /metrics, /healthz and /readyz on HOST:PORT, or on PORT of loopback.",
        ),
    ] = None,
    after_restore: Annotated[
        bool, typer.Option("--after-restore", help="The state was restored: hold what may have been sent already.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
) -> None:
    """Apply, watch, fetch, route and send until Ctrl-C; structured logs go to standard error.

    Exits 0 after a clean end, 1 if a part of it died or was stuck, 75 if another process writes to the same state, 78
    if the state is a backup that was put in place and --after-restore does not say so.
    """
    import os
    from contextlib import ExitStack

    from reconciler.cli.compose import house
    from reconciler.core.errors import ExitCode
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.heartbeat import Heartbeats, Watchdog, limits_of
    from reconciler.runtime.holding import holding
    from reconciler.runtime.restoring import begin_restored
    from reconciler.runtime.supervisor import Supervisor
    from reconciler.runtime.systemd import Notifier
    from reconciler.runtime.telemetry import configure_logs
    from reconciler.store.lease import Right

    configure_logs("debug" if debug else "info")
    wired = house(state, secrets, create=not no_apply, restored=after_restore, policy=policy)
    beats = Heartbeats(limits_of(wired.settings))
    with ExitStack() as held:
        supervisor: list[Supervisor] = []

        def lost() -> None:
            for running in supervisor:
                running.lease_lost()

        rights = [Right.MAIL] if no_apply else [Right.MAIL, Right.APPLY]
        leases = {right: held.enter_context(holding(wired.store, right, "run", lost, beats)) for right in rights}
        if after_restore:
            begin_restored(wired.store, utc_now())
        observer = _served(metrics, wired.store, beats, list(leases.values()), held) if metrics else beats
        watchdog = Watchdog(beats, Notifier(os.environ))
        root = Path(directory or accounts)
        supervisor.append(Supervisor(wired, root, leases.get(Right.APPLY), watchdog, observer))
        supervisor[0].run()
    raise typer.Exit(ExitCode.FINDINGS.value if supervisor[0].died else ExitCode.CLEAN.value)


def _served(address: str, store: Store, beats: Heartbeats, leases: list[Lease], held: ExitStack) -> Observer:
    """Listen for those who watch, until the end; the observer that counts for them."""
    from reconciler.runtime.endpoint import Endpoint, Facts, parse_address
    from reconciler.runtime.metrics import Metrics

    counting = Metrics(store, beats)
    endpoint = Endpoint(parse_address(address), Facts(counting, beats, store, leases).answer)
    held.callback(endpoint.close)
    return counting
