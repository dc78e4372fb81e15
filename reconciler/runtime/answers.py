"""Writes the letter that passes an external's answer on: to the customer without a trace of him, or to the agent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from reconciler.core.case import Case
from reconciler.core.decision import Action, Decision, HoldReason
from reconciler.core.errors import Invalid, Unsafe
from reconciler.core.message import Address, Message
from reconciler.core.referral import Referral
from reconciler.core.relay import RelayRefusal, prepare
from reconciler.runtime.letters import Desk, Occasion, agent_letter, customer_letter
from reconciler.runtime.tokens import new_token_id
from reconciler.store import cases
from reconciler.store.filing import Letter

Answered = tuple[Decision, Letter | None, tuple[str, ...]]
"""The decision, the letter that goes out with it, and notes for the case; no letter: the decision is to hold."""


def answer_letter(
    connection: Connection, desk: Desk, decision: Decision, message: Message, hop: int, now: datetime
) -> Answered:
    """The letter for a decision to relay or to tell the agent; if none can be written the answer is held."""
    assert decision.referral_id is not None
    referral = cases.read_referral(connection, decision.referral_id)
    assert referral is not None
    case = cases.read_case(connection, referral.case_id)
    assert case is not None
    try:
        if decision.action is Action.TO_AGENT:
            return _to_agent(desk, decision, message, referral, Occasion(case, (), new_token_id(), hop, now))
        thread = cases.thread_ids(connection, case.id)
        return _relayed(desk, decision, message, referral, Occasion(case, thread, new_token_id(), hop, now))
    except (Invalid, Unsafe) as error:
        return _held(decision, HoldReason.CANNOT_SEND, str(error))


def _relayed(desk: Desk, decision: Decision, message: Message, referral: Referral, occasion: Occasion) -> Answered:
    contact = Address(referral.contact_name, referral.contact_address)
    content = prepare(message, contact, sorted({*desk.own_addresses(), referral.agent}))
    if isinstance(content, RelayRefusal):
        return _held(decision, HoldReason(content.reason.value), "")
    letter = customer_letter(
        desk,
        replace(occasion, case=_as_frozen(occasion.case, referral)),
        "relay",
        text=content.text,
        agent=referral.agent,
        attachments=content.attachments,
    )
    return decision, letter, content.omitted


def _to_agent(desk: Desk, decision: Decision, message: Message, referral: Referral, occasion: Occasion) -> Answered:
    letter = agent_letter(
        desk,
        occasion,
        referral,
        sender=message.head.sender,
        text=message.body.text,
        attachments=message.body.attachments,
    )
    return decision, letter, ()


def _as_frozen(case: Case, referral: Referral) -> Case:
    """The target was frozen when the contact was asked, whatever has happened to the case since."""
    return replace(case, customer_name=referral.target_name, customer_address=referral.target_address)


def _held(decision: Decision, reason: HoldReason, detail: str) -> Answered:
    return replace(decision, action=Action.HOLD, reason=reason, detail=detail, event=None), None, ()
