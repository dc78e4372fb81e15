"""Writes the letter that passes an external's answer on: to the customer without a trace of him, or to the agent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from reconciler.core.case import Case
from reconciler.core.decision import Action, Decision, HoldReason
from reconciler.core.errors import Invalid, Unsafe
from reconciler.core.message import Address, Message
from reconciler.core.referral import Referral
from reconciler.core.relay import RelayRefusal, prepare
from reconciler.core.tenant_settings import RelayPolicy
from reconciler.runtime.letters import Desk, Occasion, agent_letter, customer_letter
from reconciler.runtime.tokens import new_token_id
from reconciler.store import cases
from reconciler.store.filing import Letter
from reconciler.store.outbox import cap_reached

MOST_RELEASED_BYTES = 50_000_000
"""What a person releases may have as many bytes of files as a fetched mail at all."""

Answered = tuple[Decision, Letter | None, tuple[str, ...]]
"""The decision, the letter that goes out with it, and notes for the case; no letter: the decision is to hold."""


@dataclass(frozen=True, slots=True)
class Answering:
    """An external's answer on its way: `hop` is the count its letter gets, `is_released` that a person answers for it,
    so that no cap applies."""

    message: Message
    hop: int
    now: datetime
    is_released: bool


def answer_letter(connection: Connection, desk: Desk, decision: Decision, answering: Answering) -> Answered:
    """The letter for a decision to relay or to tell the agent; if none can be written the answer is held."""
    message, hop, now = answering.message, answering.hop, answering.now
    assert decision.referral_id is not None
    referral = cases.read_referral(connection, decision.referral_id)
    assert referral is not None
    case = cases.read_case(connection, referral.case_id)
    assert case is not None
    target = referral.target_address if decision.action is Action.RELAY else referral.agent
    if not answering.is_released and (over := cap_reached(connection, target, case.id, now)):
        return _held(decision, HoldReason.TOO_MANY, over)
    try:
        if decision.action is Action.TO_AGENT:
            return _to_agent(desk, decision, message, referral, Occasion(case, (), new_token_id(), hop, now))
        thread = cases.thread_ids(connection, case.id)
        return _relayed(desk, decision, answering, referral, Occasion(case, thread, new_token_id(), hop, now))
    except (Invalid, Unsafe) as error:
        return _held(decision, HoldReason.CANNOT_SEND, str(error))


def _relayed(desk: Desk, decision: Decision, answering: Answering, referral: Referral, occasion: Occasion) -> Answered:
    contact = Address(referral.contact_name, referral.contact_address)
    document = desk.state.tenant_document(referral.tenant)
    policy = document.referrals.relay if document is not None else RelayPolicy()
    if answering.is_released:
        # A person has seen how much it is.
        policy = policy.model_copy(update={"most_bytes": MOST_RELEASED_BYTES})
    content = prepare(answering.message, contact, sorted({*desk.own_addresses(), referral.agent}), policy)
    if isinstance(content, RelayRefusal):
        return _held(decision, HoldReason(content.reason.value), content.detail)
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
