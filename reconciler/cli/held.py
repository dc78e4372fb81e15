"""The commands for what needs a person: held, release, discard, and the outbox with its delivery errors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.cases import Agent, desk_of, number, show
from reconciler.cli.options import DEFAULT_SECRETS, DEFAULT_STATE, Format, Secrets, State, TextOrJson
from reconciler.cli.restored import discard_restored, is_outbox_id, release_restored

if TYPE_CHECKING:
    from reconciler.runtime.desk import AgentDesk
    from reconciler.runtime.router import Router

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
    remember: Annotated[
        bool, typer.Option("--remember", help="Let the contact's notifications, or list mails, pass from now on.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="All mails that are held for this reason, instead of an ID.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="With --reason: only this tenant's.")] = None,
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
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.release import release as let_go
    from reconciler.runtime.router import Release

    if sum((held_id is not None, restored, reason is not None)) != 1:
        raise typer.BadParameter("name what to release, such as H4, or give --restored or --reason")
    desk = desk_of(agent, state, secrets)
    if reason is not None:
        _release_all(desk, secrets, reason, tenant, output)
        return
    if held_id is None or is_outbox_id(held_id):
        release_restored(desk, held_id, output)
        return
    word = Release(number(case, "C") if case else None, number(referral, "R") if referral else None)
    wanted = number(held_id, "H")
    filing = let_go(desk.store, _router(desk, secrets), wanted, word, desk.agent, utc_now(), remember=remember)
    action = filing.decision.action.value
    show(output, {"held": f"H{wanted}", "action": action}, lambda: f"H{wanted}: {action}\n")


def _router(desk: AgentDesk, secrets: Path) -> Router:
    import os

    from reconciler.cli.compose import registry
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.router import Router
    from reconciler.source.secret import SecretStore

    return Router(desk.store, registry(), SecretStore(secrets, os.environ), utc_now)


def _release_all(desk: AgentDesk, secrets: Path, reason: str, tenant: str | None, output: TextOrJson) -> None:
    """Release what is held for one reason; exits 1 if any of it stays."""
    from reconciler.core.errors import ExitCode
    from reconciler.core.held import HoldReason
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.release import release_all

    if reason not in {known.value for known in HoldReason}:
        raise typer.BadParameter(f"--reason {reason}: no such reason; `reconciler held` shows them")
    done = release_all(desk.store, _router(desk, secrets), reason, tenant, desk.agent, utc_now())
    rows = [{"held": f"H{d.held_id}", "action": d.action.value if d.action else None, "why": d.why} for d in done]
    lines = [f"H{d.held_id}: {d.action.value if d.action else d.why}\n" for d in done]
    show(output, {"released": rows}, lambda: "".join(lines) or f"nothing is held as {reason}\n")
    if not all(d.action for d in done):
        raise typer.Exit(ExitCode.FINDINGS.value)


def reclassify(
    mail_id: Annotated[str, typer.Argument(metavar="ID", help="Such as M12, or H4 for a held one.")],
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What it is: human, notification, bounce …")],
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Say what a mail is that was taken for something else; it is decided anew as such.

    Only a mail that is held, or was filed as no person's: what has reached somebody cannot be taken back.
    """
    from reconciler.core.kind import Kind
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.release import reclassify as correct
    from reconciler.store.held import mail_of_held

    if kind not in {known.value for known in Kind}:
        raise typer.BadParameter(f"{kind} is no kind; write {', '.join(known.value for known in Kind)}")
    desk = desk_of(agent, state, secrets)
    if mail_id[:1].upper() == "H":
        with desk.store.read() as connection:
            wanted = mail_of_held(connection, number(mail_id, "H"))
    else:
        wanted = number(mail_id, "M")
    decision = correct(desk.store, _router(desk, secrets), wanted, Kind(kind), desk.agent, utc_now()).decision
    reason = decision.reason.value if decision.reason else None
    answer = {"message": f"M{wanted}", "kind": kind, "action": decision.action.value, "reason": reason}
    show(output, answer, lambda: f"M{wanted} is {kind}: {decision.action.value} {reason or ''}".rstrip() + "\n")


def exceptions(
    forget: Annotated[int | None, typer.Option("--forget", metavar="NUMBER", help="Take this one back.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """List the contacts whose notifications or list mails a person lets pass, or take one back."""
    from reconciler.cli.compose import store
    from reconciler.report.acts import exceptions_text
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.release import forget as take_back
    from reconciler.store.acts import list_exceptions

    opened = store(state)
    if forget is not None:
        take_back(opened, forget, desk_of(agent, state, None).agent, utc_now())
    with opened.read() as connection:
        found = list_exceptions(connection, tenant=tenant)
    rows = [
        {
            "exception": e.id,
            "tenant": e.tenant,
            "contact": e.contact,
            "kind": e.kind,
            "by": e.by,
            "at": e.at.isoformat(),
        }
        for e in found
    ]
    show(output, {"exceptions": rows}, lambda: exceptions_text(found))


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
