"""`reconciler rollback`: run an earlier revision of a tenant for a while, although its files say otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import DEFAULT_STATE, State
from reconciler.cli.user import acting_user


def rollback(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept for good.")],
    revision: Annotated[
        str | None, typer.Argument(metavar="[REV]", help="A revision's number, or its commit.", show_default=False)
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Whose revision it is, or main.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="When it ends, such as 2026-01-31T18:00Z.")
    ] = None,
    lasting: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="How long, such as 2h.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End the tenant's rollback now.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Run an earlier revision of a tenant until its files change, for a day at most unless said otherwise.

    The next apply or the running system applies it, and guards and the policy hold as ever.
    """
    from reconciler.cli.compose import store
    from reconciler.core.errors import Invalid
    from reconciler.core.suspension import until_of
    from reconciler.report.terminal import instant, visible
    from reconciler.runtime.clock import utc_now
    from reconciler.store import rollbacks

    if not reason.strip():
        raise typer.BadParameter("--reason: write why, so that whoever finds it knows")
    if end is (revision is not None) or (end and tenant is None):
        raise typer.BadParameter("name a revision to run, or end a rollback with --end --tenant TENANT")
    now, opened = utc_now(), store(state)
    try:
        with opened.write() as connection:
            if end:
                if not rollbacks.end(connection, str(tenant), reason=reason, by=acting_user(), now=now):
                    raise Invalid(f"{tenant} is not rolled back; `reconciler status` shows what is")
                told = f"the rollback of {tenant} has ended; the next apply runs what its files say"
            else:
                ends = until_of(now, until, lasting)
                number, unit = rollbacks.find_revision(connection, str(revision), tenant)
                rollbacks.roll_back(connection, number, unit, reason=reason, by=acting_user(), until=ends, now=now)
                told = f"{unit} is to run revision {number} until its files change, at the latest until {instant(ends)}"
    finally:
        opened.close()
    typer.echo(visible(told))
