"""The commands for what needs a person: held, release, discard, and the outbox with its delivery errors."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.cases import Agent, desk_of, number, show
from reconciler.cli.options import DEFAULT_SECRETS, DEFAULT_STATE, Format, Secrets, State, TextOrJson
from reconciler.cli.restored import discard_restored, is_outbox_id, release_restored

HeldId = Annotated[str, typer.Argument(metavar="ID", help="Such as H4; O7 for a mail that a restore holds.")]


def held(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """List the mails that were set aside for a person, each with its reason."""
    from reconciler.cli.compose import store
    from reconciler.report.cases import held_json, held_text
    from reconciler.store.held import list_held

    with store(state).read() as connection:
        found = list_held(connection, tenant=tenant)
    show(output, {"held": [held_json(h) for h in found]}, lambda: held_text(found))


def release(
    held_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Such as H4; O7 for a mail that a restore holds.")
    ] = None,
    case: Annotated[str | None, typer.Option("--case", metavar="CASE", help="The case it belongs to.")] = None,
    referral: Annotated[
        str | None, typer.Option("--referral", metavar="REFERRAL", help="The referral it answers.")
    ] = None,
    restored: Annotated[
        bool, typer.Option("--restored", help="All mails of ours that a restore holds, instead of an ID.")
    ] = False,
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Let a held mail go on, decided anew against the state as it is now; the agent answers for it.

    Bounces and automatic replies are filed, never relayed, whoever releases them.
    """
    import os

    from reconciler.cli.compose import registry
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.release import release as let_go
    from reconciler.runtime.router import Release, Router
    from reconciler.source.secret import SecretStore

    if (held_id is None) is not restored:
        raise typer.BadParameter("name what to release, such as H4, or give --restored")
    desk = desk_of(agent, state, secrets)
    if held_id is None or is_outbox_id(held_id):
        release_restored(desk, held_id, output)
        return
    router = Router(desk.store, registry(), SecretStore(secrets, os.environ), utc_now)
    word = Release(number(case, "C") if case else None, number(referral, "R") if referral else None)
    wanted = number(held_id, "H")
    decision = let_go(desk.store, router, wanted, word, desk.agent, utc_now()).decision
    show(
        output, {"held": f"H{wanted}", "action": decision.action.value}, lambda: f"H{wanted}: {decision.action.value}\n"
    )


def discard(
    held_id: HeldId,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Close a held mail without doing anything with it; its raw bytes are kept."""
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.release import discard as throw_away

    if is_outbox_id(held_id):
        discard_restored(desk_of(agent, state, None), held_id, reason, output)
        return
    desk, wanted = desk_of(agent, state, None), number(held_id, "H")
    throw_away(desk.store, wanted, reason, desk.agent, utc_now())
    show(output, {"held": f"H{wanted}", "action": "discard"}, lambda: f"H{wanted} is discarded\n")


def outbox(
    errors: Annotated[
        bool, typer.Option("--errors", help="Only delivery errors: refused for good, or bounced after acceptance.")
    ] = False,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """List the mails of ours: what waits, what was sent, what did not arrive."""
    from reconciler.cli.compose import store
    from reconciler.report.cases import outbox_json, outbox_text
    from reconciler.store.outbox import list_rows

    with store(state).read() as connection:
        found = list_rows(connection, errors=errors)
    show(output, {"outbox": [outbox_json(row) for row in found]}, lambda: outbox_text(found))
