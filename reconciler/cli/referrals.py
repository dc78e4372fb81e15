"""The commands that ask externals: forward, inquire, referrals, remind, withdraw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.cases import Agent, CaseId, OfAgent, Text, desk_of, number, show, written_text
from reconciler.cli.options import DEFAULT_SECRETS, DEFAULT_STATE, Format, Secrets, State, TextOrJson

if TYPE_CHECKING:
    from reconciler.runtime.desk import AgentDesk

To = Annotated[
    list[str],
    typer.Option("--to", metavar="ADDRESS", help="Whom to ask: `address` or `Name <address>`; may be repeated."),
]
ReferralId = Annotated[str, typer.Argument(metavar="REFERRAL", help="Such as R5.")]


def forward(
    case_id: CaseId,
    to: To,
    text: Text = "",
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Send the case to external contacts without closing it; an answer goes on to the customer by itself."""
    _ask("forward", desk_of(agent, state, secrets), case_id, to, text, output)


def inquire(
    case_id: CaseId,
    to: To,
    text: Text,
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Ask external contacts about the case; an answer comes back to the agent and stands on the case as a note."""
    _ask("inquiry", desk_of(agent, state, secrets), case_id, to, text, output)


def _ask(kind: str, desk: AgentDesk, case_id: str, to: list[str], text: str, output: TextOrJson) -> None:
    from reconciler.core.referral import ReferralKind
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.referring import refer

    asked = refer(desk, number(case_id, "C"), ReferralKind(kind), to, written_text(text), utc_now())
    rows = [{"referral": f"R{referral}", "outbox": f"O{outbox_id}"} for referral, outbox_id in asked]
    lines = "".join(f"referral {row['referral']}, queued as {row['outbox']}\n" for row in rows)
    show(output, {**rows[0], "referrals": rows}, lambda: lines)


def referrals(
    kind: Annotated[str | None, typer.Option("--kind", help="forward or inquiry.")] = None,
    agent: OfAgent = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that wait past their expiry.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those not answered yet.")] = False,
    state: State = DEFAULT_STATE,
    output: Format = TextOrJson.TEXT,
) -> None:
    """The second-level folders: who was asked, since when, whether they answered, how often they were reminded."""
    from reconciler.cli.compose import store
    from reconciler.core.referral import ReferralKind, ReferralState
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
    if waiting:
        found = [r for r in found if r.state is ReferralState.WAITING]
    show(output, {"referrals": [referral_json(r) for r in found]}, lambda: referrals_text(found))


def remind(
    referral_id: ReferralId,
    text: Text = "",
    agent: Agent = None,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Remind a contact who has not answered yet."""
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.referring import existing_referral
    from reconciler.runtime.referring import remind as send_reminder

    desk, wanted = desk_of(agent, state, secrets), number(referral_id, "R")
    with desk.store.write() as connection:
        referral = existing_referral(connection, wanted)
        outbox_id = send_reminder(
            connection, desk.tools(connection), referral, desk.agent, written_text(text), utc_now()
        )
    show(output, {"referral": f"R{wanted}", "outbox": f"O{outbox_id}"}, lambda: f"queued as O{outbox_id}\n")


def withdraw(
    referral_id: ReferralId, agent: Agent = None, state: State = DEFAULT_STATE, output: Format = TextOrJson.TEXT
) -> None:
    """Stop waiting: an answer that still comes is held and goes nowhere by itself."""
    from reconciler.core.referral import ReferralEvent
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.referring import end_referral, existing_referral

    desk, wanted = desk_of(agent, state, None), number(referral_id, "R")
    with desk.store.write() as connection:
        referral = existing_referral(connection, wanted)
        end_referral(connection, referral, ReferralEvent.WITHDRAW, desk.agent, utc_now())
    show(output, {"referral": f"R{wanted}", "state": "withdrawn"}, lambda: f"R{wanted} is withdrawn\n")
