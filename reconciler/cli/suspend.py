"""`reconciler suspend`, `resume` and `suspensions`: stop fetching or sending for a while, on the record."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.options import DEFAULT_STATE, Format, State, TextOrJson
from reconciler.cli.user import acting_user


class What(StrEnum):
    """What can be suspended; the words of core.suspension.Activity, which is slow to import."""

    FETCHING = "fetching"
    SENDING = "sending"


Activity = Annotated[What, typer.Argument(metavar="ACTIVITY", help="fetching or sending.")]
Target = Annotated[str, typer.Argument(metavar="TARGET", help="TENANT/ID, TENANT, main, or all.")]


def suspend(
    activity: Activity,
    target: Target,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept for good.")],
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="When it ends, such as 2026-01-31T18:00Z.")
    ] = None,
    lasting: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="How long, such as 2h.")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Stop fetching or sending of an account, a tenant or everything, for a day unless said otherwise.

    What is in hand ends; no mail is lost. It ends by itself, and takes the place of an earlier one of the same target.
    """
    from reconciler.cli.compose import registry, store
    from reconciler.core.suspension import Activity, parse_target, until_of
    from reconciler.report.terminal import instant, visible
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.suspending import begin

    if not reason.strip():
        raise typer.BadParameter("--reason: write why, so that whoever finds it knows")
    now, wanted = utc_now(), parse_target(target)
    ends = until_of(now, until, lasting)
    opened = store(state)
    try:
        what, by = Activity(activity.value), acting_user()
        begin(opened, registry(), what, wanted, reason=reason, by=by, until=ends, now=now)
    finally:
        opened.close()
    typer.echo(visible(f"{activity.value} of {wanted} is suspended until {instant(ends)}"))


def resume(
    activity: Activity,
    target: Target,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept for good.")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Let fetching or sending go on, of exactly the target that was suspended."""
    from reconciler.cli.compose import store
    from reconciler.core.suspension import Activity, parse_target
    from reconciler.report.terminal import visible
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.suspending import end

    wanted = parse_target(target)
    opened = store(state)
    try:
        told = end(opened, Activity(activity.value), wanted, reason=reason, by=acting_user(), now=utc_now())
    finally:
        opened.close()
    for line in told:
        typer.echo(visible(line))


def suspensions(
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """List what is suspended, until when, by whom and why."""
    from reconciler.cli.cases import show
    from reconciler.cli.compose import store
    from reconciler.report.suspensions import suspension_json, suspensions_text
    from reconciler.runtime.clock import utc_now
    from reconciler.store import suspensions as rows

    opened, now = store(state), utc_now()
    try:
        with opened.read() as connection:
            found = rows.every(connection) if every else rows.in_force(connection, now)
    finally:
        opened.close()
    show(output, {"suspensions": [suspension_json(s) for s in found]}, lambda: suspensions_text(found, now))
