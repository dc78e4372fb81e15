"""What happens to one mail: `decide` weighs kind, correlation, referral and rules into a value; it does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.core.answer import NO_PERSON, decide_answer
from reconciler.core.correlation import Correlation, Outcome
from reconciler.core.decision import Action, Context, Decision, HoldReason, held
from reconciler.core.kind import Classification, Kind
from reconciler.core.language import detect
from reconciler.core.message import Body, Head, Message
from reconciler.core.quoting import without_quotes
from reconciler.core.rule_match import Facts, RuleBook, first_match
from reconciler.core.token import Purpose

MOST_HOPS = 8
"""A chain of mails that answered each other this often without a person in between is a loop."""


_NEVER_ROUTED = {Kind.FEEDBACK: HoldReason.NOT_HUMAN, Kind.CHALLENGE: HoldReason.NOT_HUMAN, Kind.LOOP: HoldReason.LOOP}


def decide(
    message: Message, size: int, classification: Classification, correlation: Correlation, context: Context
) -> Decision:
    """Decide one mail. `size` is the raw mail's in bytes. Pure: equal arguments, equal decision."""
    tenant = context.tenant or correlation.tenant
    if context.is_probe:
        return Decision(Action.DISCARD, context.tenant)
    base = Decision(Action.HOLD, tenant, correlation.case_id, correlation.referral_id)
    if reason := _obstacle(message, classification, correlation, context):
        return replace(base, reason=reason, detail=_why(reason, classification, correlation, context))
    if correlation.outcome is Outcome.MATCH and context.referral is not None:
        return decide_answer(base, message, classification, correlation, context, context.referral)
    if classification.kind in NO_PERSON:
        return _report(base, classification, correlation, context)
    if context.account_type.is_system and not _may_reach_a_case(correlation, context):
        return held(base, HoldReason.UNCORRELATED, "nothing in the mail says which referral it answers")
    return _to_case(base, message, size, classification, correlation, context)


def _may_reach_a_case(correlation: Correlation, context: Context) -> bool:
    """On a system account only a customer's token leads to a case, or a person who names the case."""
    return correlation.purpose is Purpose.CASE or (context.is_released and correlation.case_id is not None)


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
    if context.is_echo or max(correlation.hop or 0, context.hop) >= MOST_HOPS:
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


def _why(reason: HoldReason, classification: Classification, correlation: Correlation, context: Context) -> str:
    if reason in (HoldReason.FORGED_TOKEN, HoldReason.CONFLICTING_EVIDENCE):
        return "; ".join(correlation.evidence)
    if reason is HoldReason.LOOP:
        return f"a mail of our own came back (hop {max(correlation.hop or 0, context.hop)})"
    if reason is HoldReason.NOT_HUMAN:
        return "; ".join(f"{e.signal}: {e.detail}" for e in classification.evidence)
    return ""


def _report(base: Decision, classification: Classification, correlation: Correlation, context: Context) -> Decision:
    """A bounce, auto-reply or receipt that belongs to no referral."""
    if correlation.case_id is not None:
        permanent = classification.bounce is not None and bool(classification.bounce.permanent)
        status = classification.bounce.status if classification.bounce is not None else None
        return replace(base, action=Action.FILE, delivery_failed=permanent, detail=status or "")
    if context.account_type.is_system:
        return held(base, HoldReason.UNCORRELATED, f"a mail of kind {classification.kind} that names no referral")
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
        return held(base, HoldReason.NO_SENDER, "the mail has no usable From, so nobody could be answered")
    if correlation.case_id is not None:
        return replace(base, action=Action.CONTINUE_CASE)
    facts = facts_of(message, size, classification.kind, context.account_id)
    rules = context.rules
    verdict = rules.first_match(facts) if isinstance(rules, RuleBook) else first_match(rules, facts)
    ruled = replace(base, missed=verdict.missed)
    if verdict.rule is None:
        return replace(ruled, action=Action.OPEN_CASE)
    ruled = replace(ruled, rule=verdict.rule.id, then=verdict.rule.then)
    if verdict.rule.then.discard:
        return replace(ruled, action=Action.DISCARD)
    if verdict.rule.then.hold and not context.is_released:
        return held(ruled, HoldReason.BY_RULE, f"rule {verdict.rule.id}")
    return replace(ruled, action=Action.OPEN_CASE)


def facts_of(message: Message, size: int, kind: Kind, account_id: str) -> Facts:
    """What rules may ask of a mail that came in on the account."""
    return facts_from(message.head, lambda: message.body, size, kind, account_id)


def facts_from(head: Head, body: Callable[[], Body], size: int, kind: Kind, account_id: str) -> Facts:
    """The same of a mail whose body is read only if a rule asks for it."""
    sender = head.sender
    return Facts(
        account=account_id,
        sender=f"{sender.name} <{sender.address}>" if sender else "",
        recipients=tuple(a.address for a in (*head.to, *head.cc)),
        subject=head.subject,
        headers=head.fields,
        size=size,
        kind=kind,
        body=lambda: body().text,
        language=lambda: detect(f"{head.subject}\n{without_quotes(body().text)}"),
        attachments=lambda: tuple(a.name for a in body().attachments),
    )
