"""The commands for what is kept: retention by the tenants' settings, erasing a person, and the record of acts."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.cases import Agent, desk_of, show
from reconciler.cli.options import DEFAULT_STATE, Format, State, TextOrJson

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it nothing changes and the numbers are shown.")]


def retention(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    yes: Yes = False,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Show what is older than the tenants' `retention` and `held` allow, with --yes take it; `run` does so hourly."""
    from reconciler.cli.compose import registry, store
    from reconciler.report.acts import counts_text
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.upkeep import dry, for_good, keep_up

    opened = store(state)
    done = keep_up(opened, (for_good if yes else dry)(opened), registry(), utc_now(), tenant)
    rows = [{"tenant": unit, "counts": dict(counts)} for unit, counts in done.items()]
    show(output, {"done": yes, "tenants": rows}, lambda: counts_text(done, done=yes))


def erase(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whose mails, names and texts are to go.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record; do not name the person.")],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only at this tenant.")] = None,
    yes: Yes = False,
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Erase a person: cases as a customer, referrals as a contact, and every mail of theirs. Cannot be undone."""
    from reconciler.report.acts import counts_text
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.upkeep import dry, for_good
    from reconciler.runtime.upkeep import erase as take

    desk = desk_of(agent, state, None)
    run = (for_good if yes else dry)(desk.store)
    counts = take(run, address, tenant, reason=reason, by=desk.agent, now=utc_now())
    show(
        output,
        {"done": yes, "counts": dict(counts)},
        lambda: counts_text({tenant or "all tenants": counts}, done=yes),
    )


def acts(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """List what people decided about mails, and what retention took, newest first."""
    from reconciler.cli.compose import store
    from reconciler.report.acts import acts_text
    from reconciler.store.acts import list_acts

    with store(state).read() as connection:
        found = list_acts(connection, tenant=tenant)
    rows = [
        {
            "at": a.at.isoformat(),
            "by": a.by,
            "act": a.act.value,
            "tenant": a.tenant,
            "subject": a.subject,
            "reason": a.reason,
            "detail": a.detail,
        }
        for a in found
    ]
    show(output, {"acts": rows}, lambda: acts_text(found))
