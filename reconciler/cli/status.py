"""`reconciler status`: how every tenant's desired state and every account stands."""

from __future__ import annotations

import typer

from reconciler.cli.options import DEFAULT_STATE, Format, State, TextOrJson


def status(state: State = DEFAULT_STATE, output: Format = TextOrJson.TEXT) -> None:
    """Show how every tenant and account stands.

    Exits 4 if a tenant is not synced or an account not well, 78 if nothing was ever applied.
    """
    from reconciler.cli.compose import registry
    from reconciler.core.errors import ExitCode, NotSetUp
    from reconciler.report.status import status_json, status_text
    from reconciler.runtime.clock import utc_now
    from reconciler.store.applied import read_applied
    from reconciler.store.database import open_store
    from reconciler.store.standing import read_status

    store = open_store(state)
    try:
        with store.read() as connection:
            found = read_status(connection, read_applied(connection, registry()), utc_now())
    finally:
        store.close()
    if not found.units:
        raise NotSetUp(f"nothing is applied at {state}; run: reconciler apply")
    typer.echo(status_json(found) if output is TextOrJson.JSON else status_text(found), nl=False)
    raise typer.Exit((ExitCode.CLEAN if found.well else ExitCode.DEGRADED).value)
