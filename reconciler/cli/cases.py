"""The agents' commands: cases, case, reply, note, close, forward, referrals, held."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import DEFAULT_SECRETS, DEFAULT_STATE, Format, Secrets, State, TextOrJson

if TYPE_CHECKING:
    from reconciler.runtime.desk import AgentDesk

Agent = Annotated[
    str | None,
    typer.Option("--agent", metavar="ADDRESS", envvar="RECONCILER_AGENT", help="The acting agent's e-mail address."),
]
# Listing is not acting: the environment's agent does not narrow a list.
OfAgent = Annotated[str | None, typer.Option("--agent", metavar="ADDRESS", help="Only this agent's.")]
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="Such as C17.")]
Text = Annotated[str, typer.Option("--text", help="What to write; - reads standard input.")]


def number(written: str, letter: str) -> int:
    """The number of an id such as C17, c17 or 17."""
    match = re.fullmatch(rf"(?i:{letter})?([0-9]{{1,18}})", written)
    if match is None:
        raise typer.BadParameter(f"{written!r} is no id of this kind; write {letter}17")
    return int(match[1])


def cases(
    agent: OfAgent = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """List the cases, the one that changed last first; with --agent only those of that agent."""
    from reconciler.cli.compose import store
    from reconciler.report.cases import case_json, cases_text
    from reconciler.store.cases import list_cases

    with store(state).read() as connection:
        found = list_cases(connection, tenant=tenant, agent=agent)
    _show(output, {"cases": [case_json(c) for c in found]}, lambda: cases_text(found))


def case(case_id: CaseId, state: State = DEFAULT_STATE, output: Format = TextOrJson.TEXT) -> None:
    """Show a case with its messages, notes, referrals and what was relayed."""
    from reconciler.cli.compose import store
    from reconciler.core.errors import Invalid
    from reconciler.report.cases import case_json, case_text, entry_json, referral_json
    from reconciler.store.cases import list_referrals, read_case, read_entries

    wanted = number(case_id, "C")
    with store(state).read() as connection:
        found = read_case(connection, wanted)
        entries = read_entries(connection, wanted)
        referred = list_referrals(connection, case_id=wanted)
    if found is None:
        raise Invalid(f"there is no case C{wanted}; `reconciler cases` lists them")
    answer = case_json(found) | {
        "referrals": [referral_json(r) for r in referred],
        "entries": [entry_json(e) for e in entries],
    }
    _show(output, answer, lambda: case_text(found, entries, referred))


def reply(
    case_id: CaseId,
    text: Text,
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Answer the customer; the mail waits in the outbox until `run` or `send` sends it."""
    from reconciler.runtime.clock import utc_now

    outbox_id = _desk(agent, state, secrets).reply(number(case_id, "C"), _text(text), utc_now())
    _show(output, {"outbox": f"O{outbox_id}"}, lambda: f"queued as O{outbox_id}\n")


def note(
    case_id: CaseId,
    text: Text,
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Put a note on the case; it is never sent to anybody."""
    from reconciler.runtime.clock import utc_now

    entry = _desk(agent, state, None).note(number(case_id, "C"), _text(text), utc_now())
    _show(output, {"entry": f"E{entry}"}, lambda: "noted\n")


def close(case_id: CaseId, agent: Agent = None, state: State = DEFAULT_STATE, output: Format = TextOrJson.TEXT) -> None:
    """Close the case; the customer's next mail opens it again."""
    from reconciler.runtime.clock import utc_now

    wanted = number(case_id, "C")
    _desk(agent, state, None).close(wanted, utc_now())
    _show(output, {"case": f"C{wanted}", "state": "closed"}, lambda: f"C{wanted} is closed\n")


def forward(
    case_id: CaseId,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Whom to ask: `address` or `Name <address>`.")],
    text: Text = "",
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Send the case to an external contact without closing it; the answer goes on to the customer by itself."""
    from reconciler.runtime.clock import utc_now

    desk = _desk(agent, state, secrets)
    referral, outbox_id = desk.forward(number(case_id, "C"), to, _text(text), utc_now())
    answer = {"referral": f"R{referral}", "outbox": f"O{outbox_id}"}
    _show(output, answer, lambda: f"referral R{referral}, queued as O{outbox_id}\n")


def referrals(
    kind: Annotated[str | None, typer.Option("--kind", help="forward or inquiry.")] = None,
    agent: OfAgent = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that wait past their expiry.")] = False,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """List the referrals: who was asked, since when, and whether they have answered."""
    from reconciler.cli.compose import store
    from reconciler.core.referral import ReferralKind
    from reconciler.report.cases import referral_json, referrals_text
    from reconciler.runtime.clock import utc_now
    from reconciler.store.cases import list_referrals

    kinds = {k.value: k for k in ReferralKind}
    if kind is not None and kind not in kinds:
        raise typer.BadParameter(f"--kind {kind}: write {' or '.join(kinds)}")
    with store(state).read() as connection:
        found = list_referrals(
            connection,
            kind=kinds[kind] if kind else None,
            agent=agent,
            overdue_at=utc_now() if overdue else None,
        )
    _show(output, {"referrals": [referral_json(r) for r in found]}, lambda: referrals_text(found))


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
    _show(output, {"held": [held_json(h) for h in found]}, lambda: held_text(found))


def _desk(agent: str | None, state: str, secrets: Any) -> AgentDesk:
    import os

    from reconciler.cli.compose import registry, store
    from reconciler.runtime.desk import AgentDesk
    from reconciler.source.secret import SecretStore

    if agent is None:
        raise typer.BadParameter("who acts? give --agent ADDRESS or set RECONCILER_AGENT")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", agent):
        raise typer.BadParameter(f"--agent {agent!r} is not an e-mail address")
    return AgentDesk(store(state), registry(), SecretStore(secrets, os.environ), agent)


def _text(written: str) -> str:
    import sys

    return sys.stdin.read() if written == "-" else written


def _show(output: TextOrJson, answer: Mapping[str, Any], as_text: Any) -> None:
    if output is TextOrJson.JSON:
        typer.echo(json.dumps({"format_version": 1, **answer}, indent=2, ensure_ascii=False))
    else:
        typer.echo(as_text(), nl=False)
