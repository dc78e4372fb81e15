"""The agents' commands on a case: cases, case, reply, note, close, reopen; and what their neighbours share."""

from __future__ import annotations

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
    show(output, {"cases": [case_json(c) for c in found]}, lambda: cases_text(found))


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
    show(output, answer, lambda: case_text(found, entries, referred))


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

    outbox_id = desk_of(agent, state, secrets).reply(number(case_id, "C"), written_text(text), utc_now())
    show(output, {"outbox": f"O{outbox_id}"}, lambda: f"queued as O{outbox_id}\n")


def note(
    case_id: CaseId,
    text: Text,
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Put a note on the case; it is never sent to anybody."""
    from reconciler.runtime.clock import utc_now

    entry = desk_of(agent, state, None).note(number(case_id, "C"), written_text(text), utc_now())
    show(output, {"entry": f"E{entry}"}, lambda: "noted\n")


def close(case_id: CaseId, agent: Agent = None, state: State = DEFAULT_STATE, output: Format = TextOrJson.TEXT) -> None:
    """Close the case; the customer's next mail opens it again."""
    from reconciler.runtime.clock import utc_now

    wanted = number(case_id, "C")
    desk_of(agent, state, None).close(wanted, utc_now())
    show(output, {"case": f"C{wanted}", "state": "closed"}, lambda: f"C{wanted} is closed\n")


def reopen(
    case_id: CaseId, agent: Agent = None, state: State = DEFAULT_STATE, output: Format = TextOrJson.TEXT
) -> None:
    """Open a closed case again."""
    from reconciler.runtime.clock import utc_now

    wanted = number(case_id, "C")
    desk_of(agent, state, None).reopen(wanted, utc_now())
    show(output, {"case": f"C{wanted}", "state": "open"}, lambda: f"C{wanted} is open\n")


def desk_of(agent: str | None, state: str, secrets: Any) -> AgentDesk:
    import os

    from reconciler.cli.compose import registry, store
    from reconciler.runtime.desk import AgentDesk
    from reconciler.source.secret import SecretStore

    if agent is None:
        raise typer.BadParameter("who acts? give --agent ADDRESS or set RECONCILER_AGENT")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", agent):
        raise typer.BadParameter(f"--agent {agent!r} is not an e-mail address")
    return AgentDesk(store(state), registry(), SecretStore(secrets, os.environ), agent)


def written_text(written: str) -> str:
    import sys

    return sys.stdin.read() if written == "-" else written


def show(output: TextOrJson, answer: Mapping[str, Any], as_text: Any) -> None:
    from reconciler.report.terminal import as_json

    if output is TextOrJson.JSON:
        typer.echo(as_json({"format_version": 1, **answer}), nl=False)
    else:
        typer.echo(as_text(), nl=False)
