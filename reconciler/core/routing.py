"""What happens to one mail: `decide` weighs kind, correlation, referral and rules into a value; it does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from reconciler.core.account import AccountType, AnswerFrom, FurtherAnswers
from reconciler.core.case import CaseState
from reconciler.core.correlation import Correlation, Outcome
from reconciler.core.kind import Classification, Kind
from reconciler.core.message import Address, Message
from reconciler.core.referral import ReferralEvent, ReferralState, is_expected, move
from reconciler.core.rule import Facts, Rule, Then, first_match
from reconciler.core.token import Purpose

MOST_HOPS = 8
"""A chain of mails that answered each other this often without a person in between is a loop."""


NO_CHANGE = Then()


class Action(StrEnum):
    """What is done with a mail. Exactly one; `relay` is the only one that sends anything."""

    OPEN_CASE = "open_case"
    CONTINUE_CASE = "continue_case"
    RELAY = "relay"
    FILE = "file"
    UNASSIGNED = "unassigned"
    DISCARD = "discard"
    HOLD = "hold"


class HoldReason(StrEnum):
    """Why a mail waits for a person."""

    UNCORRELATED = "uncorrelated"
    FORGED_TOKEN = "forged-token"
    CONFLICTING_EVIDENCE = "conflicting-evidence"
    NOT_HUMAN = "not-human"
    UNEXPECTED_SENDER = "unexpected-sender"
    FURTHER_ANSWER = "further-answer"
    LATE_ANSWER = "late-answer"
    WITHDRAWN = "referral-withdrawn"
    CASE_CLOSED = "case-closed"
    TENANT_RETIRED = "tenant-retired"
    UNREADABLE = "unreadable"
    NO_SENDER = "no-sender"
    OWN_ADDRESS = "own-address"
    LOOP = "loop"
    SIGNED_OR_ENCRYPTED = "signed-or-encrypted"
    EMPTY_ANSWER = "empty-answer"
    CANNOT_SEND = "cannot-send"
    BY_RULE = "by-rule"
    POISON = "poison"


@dataclass(frozen=True, slots=True)
class ReferralView:
    """What deciding needs to know of the referral a mail belongs to."""

    id: int
    state: ReferralState
    contact: Address
    answer_from: AnswerFrom


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the mail. `tenant` is the account's own; None on a main account.

    `case_state` and `referral` are those of the correlated case; `further_answers` and `rules` are settings of the
    tenant the mail belongs to. `is_own` tells an address of ours; `is_echo` that the mail is one we sent ourselves.
    """

    tenant: str | None
    account_id: str
    account_type: AccountType
    is_own: Callable[[str], bool]
    rules: tuple[Rule, ...] = ()
    case_state: CaseState | None = None
    referral: ReferralView | None = None
    further_answers: FurtherAnswers = FurtherAnswers.HOLD
    tenant_retired: bool = False
    is_echo: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to the mail, and why. `tenant` None: for the operators. `rule` None: no rule was hit.

    `event` and `out_of_office` are what the mail does to the referral; `then` what the rule adds to the case.
    `seen_state` is the referral's state the decision rests on: if it has changed since, decide anew.
    """

    action: Action
    tenant: str | None
    case_id: int | None = None
    referral_id: int | None = None
    reason: HoldReason | None = None
    detail: str = ""
    event: ReferralEvent | None = None
    out_of_office: bool = False
    out_of_office_until: date | None = None
    delivery_failed: bool = False
    seen_state: ReferralState | None = None
    rule: str | None = None
    missed: tuple[str, ...] = ()
    then: Then = NO_CHANGE


_NO_PERSON = frozenset({Kind.AUTO_REPLY, Kind.BOUNCE, Kind.RECEIPT})
_NEVER_ROUTED = {Kind.FEEDBACK: HoldReason.NOT_HUMAN, Kind.CHALLENGE: HoldReason.NOT_HUMAN, Kind.LOOP: HoldReason.LOOP}


def decide(
    message: Message, size: int, classification: Classification, correlation: Correlation, context: Context
) -> Decision:
    """Decide one mail. `size` is the raw mail's in bytes. Pure: equal arguments, equal decision."""
    tenant = context.tenant or correlation.tenant
    base = Decision(Action.HOLD, tenant, correlation.case_id, correlation.referral_id)
    if reason := _obstacle(message, classification, correlation, context):
        return replace(base, reason=reason, detail=_why(reason, classification, correlation))
    if correlation.outcome is Outcome.MATCH and context.referral is not None:
        return _to_referral(base, message, classification, correlation, context, context.referral)
    if classification.kind in _NO_PERSON:
        return _report(base, classification, correlation, context)
    if context.account_type.is_system and correlation.purpose is not Purpose.CASE:
        return _hold(base, HoldReason.UNCORRELATED, "nothing in the mail says which referral it answers")
    return _to_case(base, message, size, classification, correlation, context)


def _obstacle(
    message: Message, classification: Classification, correlation: Correlation, context: Context
) -> HoldReason | None:
    """What keeps the mail from being routed at all, worst first."""
    if not message.readable:
        return HoldReason.UNREADABLE
    if correlation.outcome is Outcome.FORGED:
        return HoldReason.FORGED_TOKEN
    if correlation.outcome is Outcome.CONFLICT:
        return HoldReason.CONFLICTING_EVIDENCE
    if classification.kind in _NEVER_ROUTED:
        return _NEVER_ROUTED[classification.kind]
    if context.is_echo or (correlation.hop is not None and correlation.hop >= MOST_HOPS):
        return HoldReason.LOOP
    if context.tenant_retired:
        return HoldReason.TENANT_RETIRED
    sender = message.head.sender
    if (
        sender is not None
        and sender.address
        and context.is_own(sender.address)
        and classification.kind is not Kind.BOUNCE
    ):
        return HoldReason.OWN_ADDRESS
    return None


def _why(reason: HoldReason, classification: Classification, correlation: Correlation) -> str:
    if reason in (HoldReason.FORGED_TOKEN, HoldReason.CONFLICTING_EVIDENCE):
        return "; ".join(correlation.evidence)
    if reason is HoldReason.LOOP:
        return f"a mail of our own came back (hop {correlation.hop})"
    if reason is HoldReason.NOT_HUMAN:
        return "; ".join(f"{e.signal}: {e.detail}" for e in classification.evidence)
    return ""


def _hold(base: Decision, reason: HoldReason, detail: str) -> Decision:
    return replace(base, action=Action.HOLD, reason=reason, detail=detail)


def _to_referral(
    base: Decision,
    message: Message,
    classification: Classification,
    correlation: Correlation,
    context: Context,
    referral: ReferralView,
) -> Decision:
    """A mail that answers a referral: filed if no person wrote it, relayed if everything about it is as expected."""
    base = replace(base, referral_id=referral.id, seen_state=referral.state)
    if classification.kind in _NO_PERSON:
        return _report_on_referral(base, classification, referral)
    if classification.kind is not Kind.HUMAN:
        return _hold(base, HoldReason.NOT_HUMAN, f"a mail of kind {classification.kind} is never relayed by itself")
    sender = message.head.sender
    if sender is None or not sender.address:
        return _hold(base, HoldReason.NO_SENDER, "the mail has no usable From")
    if not is_expected(sender, referral.contact, referral.answer_from):
        return _hold(
            base,
            HoldReason.UNEXPECTED_SENDER,
            f"from {sender.address}, asked was {referral.contact.address} (answer_from: {referral.answer_from})",
        )
    if referral.state is ReferralState.WITHDRAWN:
        return _hold(base, HoldReason.WITHDRAWN, "the referral was withdrawn")
    if referral.state is ReferralState.EXPIRED or correlation.expired:
        return _hold(base, HoldReason.LATE_ANSWER, "the answer came after the referral had expired")
    if context.case_state is CaseState.CLOSED:
        return _hold(base, HoldReason.CASE_CLOSED, "the case was closed before the answer came")
    if referral.state is ReferralState.ANSWERED and context.further_answers is FurtherAnswers.HOLD:
        return _hold(base, HoldReason.FURTHER_ANSWER, "the referral is answered already (further_answers: hold)")
    return replace(base, action=Action.RELAY, event=ReferralEvent.ANSWER)


def _report_on_referral(base: Decision, classification: Classification, referral: ReferralView) -> Decision:
    filed = replace(base, action=Action.FILE)
    if classification.kind is Kind.BOUNCE and classification.bounce is not None and classification.bounce.permanent:
        event = ReferralEvent.BOUNCE if move(referral.state, ReferralEvent.BOUNCE) else None
        return replace(filed, event=event, detail=classification.bounce.status or "")
    if classification.kind is Kind.AUTO_REPLY and classification.out_of_office:
        return replace(filed, out_of_office=True, out_of_office_until=classification.until)
    return filed


def _report(base: Decision, classification: Classification, correlation: Correlation, context: Context) -> Decision:
    """A bounce, auto-reply or receipt that belongs to no referral."""
    if correlation.case_id is not None:
        permanent = classification.bounce is not None and bool(classification.bounce.permanent)
        return replace(base, action=Action.FILE, delivery_failed=permanent)
    if context.account_type.is_system:
        return _hold(base, HoldReason.UNCORRELATED, f"a mail of kind {classification.kind} that names no referral")
    return replace(base, action=Action.UNASSIGNED)


def _to_case(
    base: Decision,
    message: Message,
    size: int,
    classification: Classification,
    correlation: Correlation,
    context: Context,
) -> Decision:
    """A customer's mail: it continues its case, or opens one after the tenant's rules were asked."""
    if message.head.sender is None or not message.head.sender.address:
        return _hold(base, HoldReason.NO_SENDER, "the mail has no usable From, so nobody could be answered")
    if correlation.case_id is not None:
        return replace(base, action=Action.CONTINUE_CASE)
    verdict = first_match(context.rules, _facts(message, size, classification.kind, context))
    ruled = replace(base, missed=verdict.missed)
    if verdict.rule is None:
        return replace(ruled, action=Action.OPEN_CASE)
    ruled = replace(ruled, rule=verdict.rule.id, then=verdict.rule.then)
    if verdict.rule.then.discard:
        return replace(ruled, action=Action.DISCARD)
    if verdict.rule.then.hold:
        return _hold(ruled, HoldReason.BY_RULE, f"rule {verdict.rule.id}")
    return replace(ruled, action=Action.OPEN_CASE)


def _facts(message: Message, size: int, kind: Kind, context: Context) -> Facts:
    head = message.head
    sender = head.sender
    return Facts(
        account=context.account_id,
        sender=f"{sender.name} <{sender.address}>" if sender else "",
        recipients=tuple(a.address for a in (*head.to, *head.cc)),
        subject=head.subject,
        headers=head.fields,
        size=size,
        kind=kind,
        body=lambda: message.body.text,
        attachments=lambda: tuple(a.name for a in message.body.attachments),
    )
