"""What happens to a mail that answers a referral: filed if no person wrote it, passed on if all is as expected."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.account import FurtherAnswers
from reconciler.core.authentication import Verdict
from reconciler.core.case import CaseState
from reconciler.core.correlation import Correlation
from reconciler.core.decision import Action, Context, Decision, HoldReason, ReferralView, held
from reconciler.core.kind import Classification, Kind
from reconciler.core.message import Message
from reconciler.core.referral import ReferralEvent, ReferralKind, ReferralState, is_expected, move
from reconciler.core.settings import format_duration

NO_PERSON = frozenset({Kind.AUTO_REPLY, Kind.BOUNCE, Kind.RECEIPT})
"""Kinds that say something about a mail of ours and are filed with it; nobody, not even by release, relays them."""

EXCEPTIONAL = frozenset({Kind.NOTIFICATION, Kind.LIST})
"""Kinds that a person may let pass from a contact for good."""


def decide_answer(
    base: Decision,
    message: Message,
    classification: Classification,
    correlation: Correlation,
    context: Context,
    referral: ReferralView,
) -> Decision:
    """Decide a mail with the referral's token: a forward's answer is relayed, an inquiry's goes to the agent."""
    base = Decision(Action.HOLD, base.tenant, base.case_id, referral.id, seen_state=referral.state)
    if classification.kind in NO_PERSON:
        return _report(base, classification, referral)
    if not context.is_released:
        if doubt := _doubt_about_author(message, classification, context, referral):
            return held(base, *doubt)
        if context.is_copy:
            return replace(base, action=Action.COPY)
        if context.predates_restore:
            return held(base, HoldReason.AFTER_RESTORE, "it came before the backup was restored and may be passed on")
    if referral.state is ReferralState.WITHDRAWN:
        return held(base, HoldReason.WITHDRAWN, "the referral was withdrawn")
    late = referral.state is ReferralState.EXPIRED or correlation.expired
    if referral.kind is ReferralKind.INQUIRY:
        return replace(base, action=Action.TO_AGENT, event=ReferralEvent.ANSWER, late=late)
    if not context.is_released and (doubt := _doubt_about_time(message, context, referral, late=late)):
        return held(base, *doubt)
    return replace(base, action=Action.RELAY, event=ReferralEvent.ANSWER, late=late)


def _doubt_about_author(
    message: Message, classification: Classification, context: Context, referral: ReferralView
) -> tuple[HoldReason, str] | None:
    """Whether it may not be the contact who wrote this, or no person at all."""
    if classification.kind is not Kind.HUMAN and not _is_excepted(message, classification.kind, context, referral):
        return HoldReason.NOT_HUMAN, f"a mail of kind {classification.kind} is never passed on by itself"
    sender = message.head.sender
    if sender is None or not sender.address:
        return HoldReason.NO_SENDER, "the mail has no usable From"
    if not is_expected(sender, referral.contact, referral.answer_from):
        asked = f"asked was {referral.contact.address} (answer_from: {referral.answer_from})"
        return HoldReason.UNEXPECTED_SENDER, f"from {sender.address}, {asked}"
    verdict = context.authenticity.verdict
    if context.must_authenticate and verdict is not Verdict.PASS:
        return HoldReason.UNAUTHENTICATED, f"nothing proves that {sender.domain} sent it: {context.authenticity.detail}"
    return None


def _is_excepted(message: Message, kind: Kind, context: Context, referral: ReferralView) -> bool:
    """Whether a person has let this very contact answer with this kind; only some kinds can be let through."""
    sender = message.head.sender
    same = sender is not None and sender.key == referral.contact.key
    return same and kind in EXCEPTIONAL and kind in context.exceptions


def _doubt_about_time(
    message: Message, context: Context, referral: ReferralView, *, late: bool
) -> tuple[HoldReason, str] | None:
    """Whether the customer should still, or again, get this answer by itself."""
    if late:
        return HoldReason.LATE_ANSWER, "the answer came after the referral had expired"
    if context.case_state is CaseState.CLOSED:
        return HoldReason.CASE_CLOSED, "the case was closed before the answer came"
    if referral.state is ReferralState.ANSWERED and (doubt := _doubt_about_a_further_one(context, referral)):
        return HoldReason.FURTHER_ANSWER, doubt
    if any(to.key == referral.target.key for to in (*message.head.to, *message.head.cc)):
        return HoldReason.CUSTOMER_COPIED, f"{referral.target.address} is among its recipients and has it already"
    return None


def _doubt_about_a_further_one(context: Context, referral: ReferralView) -> str | None:
    if context.further_answers is FurtherAnswers.HOLD:
        return "the referral is answered already (further_answers: hold)"
    window, first = context.further_window, referral.answered_at
    if window is not None and first is not None and context.now is not None and context.now > first + window:
        return f"the referral was answered more than {format_duration(window)} ago (further_window)"
    return None


def _report(base: Decision, classification: Classification, referral: ReferralView) -> Decision:
    """A bounce, auto-reply or receipt: nothing is sent, the referral remembers what it says."""
    filed = replace(base, action=Action.FILE)
    if classification.kind is Kind.BOUNCE and classification.bounce is not None and classification.bounce.permanent:
        event = ReferralEvent.BOUNCE if move(referral.state, ReferralEvent.BOUNCE) else None
        return replace(filed, event=event, detail=classification.bounce.status or "")
    if classification.kind is Kind.AUTO_REPLY and classification.out_of_office:
        return replace(filed, out_of_office=True, out_of_office_until=classification.until)
    return filed
