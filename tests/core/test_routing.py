"""What happens to a mail: the whole table of kind, account type and correlation, and every reason to hold one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.account import AccountType, AnswerFrom, FurtherAnswers
from reconciler.core.authentication import Authenticity, Verdict
from reconciler.core.bounce import BounceDetail
from reconciler.core.case import CaseState
from reconciler.core.correlation import Correlation, Outcome, Rung
from reconciler.core.decision import Action, Context, Decision, HoldReason, ReferralView
from reconciler.core.kind import Classification, Evidence, Kind
from reconciler.core.message import Address, parse
from reconciler.core.referral import ReferralEvent, ReferralKind, ReferralState
from reconciler.core.relay import Refusal
from reconciler.core.routing import MOST_HOPS, decide
from reconciler.core.rule import Rule
from reconciler.core.token import Purpose

INBOUND, REPLY, SECOND = AccountType.INBOUND, AccountType.REPLY, AccountType.SECOND_LEVEL_REPLY
EXPERT = "expert@partner.example"
CUSTOMER = "customer@customer.example"
OWN = "support@acme.example"

NOTHING = Correlation(Outcome.NONE, None, None, None, None, None, False, None, None, ())
TO_CASE = Correlation(Outcome.MATCH, "acme", 5, None, Purpose.CASE, Rung.IN_REPLY_TO, False, 2, 0, ("the case's",))
TO_REFERRAL = Correlation(Outcome.MATCH, "acme", 5, 7, Purpose.FORWARD, Rung.RECIPIENT_TOKEN, False, 1, 0, ("its",))
BY_STORED_ID = Correlation(Outcome.MATCH, "acme", 5, None, None, Rung.STORED_MESSAGE_ID, False, None, None, ())
CORRELATIONS = {"nothing": NOTHING, "case": TO_CASE, "referral": TO_REFERRAL}

WAITING = ReferralView(
    7, ReferralKind.FORWARD, ReferralState.WAITING, Address("Expert", EXPERT), Address("", CUSTOMER), AnswerFrom.DOMAIN
)
INQUIRY = replace(WAITING, kind=ReferralKind.INQUIRY)


def classified(kind: Kind = Kind.HUMAN, **more: Any) -> Classification:
    bounce = BounceDetail("failed", True, "5.1.1", EXPERT, None, None) if kind is Kind.BOUNCE else None
    evidence = () if kind is Kind.HUMAN else (Evidence("sign", "RFC", "was seen"),)
    return Classification(
        **{"kind": kind, "evidence": evidence, "out_of_office": False, "until": None} | more, bounce=bounce
    )


def decided(
    kind: Kind | Classification = Kind.HUMAN,
    correlation: Correlation = NOTHING,
    account_type: AccountType = INBOUND,
    sender: str | None = None,
    raw: bytes | None = None,
    **context: Any,
) -> Decision:
    """Decide a mail from the referral's contact, or from the customer if no referral is named."""
    has_referral = correlation.referral_id is not None
    sender = (EXPERT if has_referral else CUSTOMER) if sender is None else sender
    raw = raw if raw is not None else f"From: {sender}\r\nTo: {OWN}\r\nSubject: Invoice 7\r\n\r\nWords.\r\n".encode()
    known = {
        "tenant": "acme",
        "account_id": "support",
        "account_type": account_type,
        "is_own": lambda address: address.lower() == OWN,
        "case_state": CaseState.OPEN if correlation.case_id is not None else None,
        "referral": WAITING if has_referral else None,
    }
    classification = kind if isinstance(kind, Classification) else classified(kind)
    return decide(parse(raw), len(raw), classification, correlation, Context(**known | context))


def rule(rule_id: str = "invoices", then: Any = None, **when: Any) -> Rule:
    return Rule.model_validate({"id": rule_id, "when": when, "then": then or {"queue": "billing"}})


OPEN, CONTINUE, RELAY = (Action.OPEN_CASE, None), (Action.CONTINUE_CASE, None), (Action.RELAY, None)
FILE, UNASSIGNED = (Action.FILE, None), (Action.UNASSIGNED, None)
STRAY = (Action.HOLD, HoldReason.UNCORRELATED)
NOT_HUMAN, LOOP = (Action.HOLD, HoldReason.NOT_HUMAN), (Action.HOLD, HoldReason.LOOP)

# Kind → what happens, per correlation: nothing, case, referral.
AT_INBOUND = {
    Kind.HUMAN: (OPEN, CONTINUE, RELAY),
    Kind.NOTIFICATION: (OPEN, CONTINUE, NOT_HUMAN),
    Kind.AUTO_REPLY: (UNASSIGNED, FILE, FILE),
    Kind.BOUNCE: (UNASSIGNED, FILE, FILE),
    Kind.RECEIPT: (UNASSIGNED, FILE, FILE),
    Kind.FEEDBACK: (NOT_HUMAN, NOT_HUMAN, NOT_HUMAN),
    Kind.LIST: (OPEN, CONTINUE, NOT_HUMAN),
    Kind.BULK: (OPEN, CONTINUE, NOT_HUMAN),
    Kind.CALENDAR: (OPEN, CONTINUE, NOT_HUMAN),
    Kind.CHALLENGE: (NOT_HUMAN, NOT_HUMAN, NOT_HUMAN),
    Kind.LOOP: (LOOP, LOOP, LOOP),
}
# A customer's answer that went to a system account (reply-all, catch-all) counts as at its own.
AT_SYSTEM = {
    Kind.HUMAN: (STRAY, CONTINUE, RELAY),
    Kind.NOTIFICATION: (STRAY, CONTINUE, NOT_HUMAN),
    Kind.AUTO_REPLY: (STRAY, FILE, FILE),
    Kind.BOUNCE: (STRAY, FILE, FILE),
    Kind.RECEIPT: (STRAY, FILE, FILE),
    Kind.FEEDBACK: (NOT_HUMAN, NOT_HUMAN, NOT_HUMAN),
    Kind.LIST: (STRAY, CONTINUE, NOT_HUMAN),
    Kind.BULK: (STRAY, CONTINUE, NOT_HUMAN),
    Kind.CALENDAR: (STRAY, CONTINUE, NOT_HUMAN),
    Kind.CHALLENGE: (NOT_HUMAN, NOT_HUMAN, NOT_HUMAN),
    Kind.LOOP: (LOOP, LOOP, LOOP),
}
TABLE = [
    pytest.param(account_type, kind, name, *row[column], id=f"{account_type.value}-{kind.value}-{name}")
    for account_type, table in ((INBOUND, AT_INBOUND), (REPLY, AT_SYSTEM), (SECOND, AT_SYSTEM))
    for kind, row in table.items()
    for column, name in enumerate(CORRELATIONS)
]


@pytest.mark.parametrize(("account_type", "kind", "correlation", "action", "reason"), TABLE)
def test_account_type_kind_and_correlation_decide(
    account_type: AccountType, kind: Kind, correlation: str, action: Action, reason: HoldReason | None
) -> None:
    decision = decided(kind, CORRELATIONS[correlation], account_type)
    assert (decision.action, decision.reason) == (action, reason)


def test_the_table_has_every_kind() -> None:
    assert AT_INBOUND.keys() == AT_SYSTEM.keys() == set(Kind)


def test_only_a_persons_mail_is_ever_relayed() -> None:
    relayed = {param.values[1] for param in TABLE if param.values[3] is Action.RELAY}
    assert relayed == {Kind.HUMAN}


def referral(state: ReferralState) -> ReferralView:
    return replace(WAITING, state=state)


FROM_ELSEWHERE = "someone@elsewhere.example"
UNREADABLE = b"\x00\x01\x02"
COPIED = f"From: {EXPERT}\r\nTo: {OWN}\r\nCc: {CUSTOMER.upper()}\r\nSubject: x\r\n\r\nWords.\r\n".encode()
NO_SENDER = b"To: support@acme.example\r\nSubject: x\r\n\r\nWords.\r\n"
UNPROVEN = Authenticity(Verdict.NONE, "no result")
TAKEN = replace(TO_REFERRAL, expired=True)
FORGED = replace(NOTHING, outcome=Outcome.FORGED, evidence=("the signature is wrong",))
CONFLICT = replace(NOTHING, outcome=Outcome.CONFLICT, evidence=("the signs name different cases",))

HELD = {
    "uncorrelated": {"account_type": REPLY},
    "forged-token": {"correlation": FORGED},
    "conflicting-evidence": {"correlation": CONFLICT},
    "not-human": {"kind": Kind.LIST, "correlation": TO_REFERRAL, "account_type": REPLY},
    "unexpected-sender": {"correlation": TO_REFERRAL, "sender": FROM_ELSEWHERE},
    "unauthenticated": {"correlation": TO_REFERRAL, "must_authenticate": True, "authenticity": UNPROVEN},
    "further-answer": {"correlation": TO_REFERRAL, "referral": referral(ReferralState.ANSWERED)},
    "late-answer": {"correlation": TO_REFERRAL, "referral": referral(ReferralState.EXPIRED)},
    "referral-withdrawn": {"correlation": TO_REFERRAL, "referral": referral(ReferralState.WITHDRAWN)},
    "case-closed": {"correlation": TO_REFERRAL, "case_state": CaseState.CLOSED},
    "customer-copied": {"correlation": TO_REFERRAL, "raw": COPIED},
    "after-restore": {"correlation": TO_REFERRAL, "predates_restore": True},
    "tenant-retired": {"correlation": TO_REFERRAL, "tenant_retired": True},
    "unreadable": {"raw": UNREADABLE},
    "no-sender": {"raw": NO_SENDER},
    "own-address": {"sender": OWN},
    "loop": {"is_echo": True},
    "by-rule": {"rules": (rule(then={"hold": True}, subject={"contains": "invoice"}),)},
}
NOT_DECIDED_HERE = {
    HoldReason.SIGNED_OR_ENCRYPTED: "writing the relay refuses it",
    HoldReason.EMPTY_ANSWER: "writing the relay refuses it",
    HoldReason.CANNOT_SEND: "writing the relay fails",
    HoldReason.ATTACHMENTS: "writing the relay refuses it",
    HoldReason.TOO_MANY: "writing the relay counts what went before",
    HoldReason.POISON: "nobody could decide the mail",
}


@pytest.mark.parametrize("reason", HELD)
def test_a_mail_is_held_for_its_reason(reason: str) -> None:
    decision = decided(**HELD[reason])
    assert (decision.action, decision.reason) == (Action.HOLD, HoldReason(reason))
    assert (decision.event, decision.then.queue) == (None, None)


def test_every_reason_to_hold_is_shown() -> None:
    assert {*HELD} | {reason.value for reason in NOT_DECIDED_HERE} == {reason.value for reason in HoldReason}


@pytest.mark.parametrize("refusal", Refusal)
def test_what_writing_the_relay_refuses_is_a_reason_to_hold(refusal: Refusal) -> None:
    assert HoldReason(refusal.value) in NOT_DECIDED_HERE


@pytest.mark.parametrize(
    "reason", ["forged-token", "conflicting-evidence", "not-human", "unexpected-sender", "late-answer", "by-rule"]
)
def test_a_held_mail_says_why_in_words(reason: str) -> None:
    assert decided(**HELD[reason]).detail


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        ({"raw": UNREADABLE, "correlation": FORGED}, HoldReason.UNREADABLE),
        ({"correlation": FORGED, "kind": Kind.LOOP}, HoldReason.FORGED_TOKEN),
        ({"correlation": CONFLICT, "tenant_retired": True}, HoldReason.CONFLICTING_EVIDENCE),
        ({"kind": Kind.FEEDBACK, "tenant_retired": True}, HoldReason.NOT_HUMAN),
        (
            {"correlation": TO_REFERRAL, "sender": FROM_ELSEWHERE, "case_state": CaseState.CLOSED},
            HoldReason.UNEXPECTED_SENDER,
        ),
        ({"correlation": TAKEN, "case_state": CaseState.CLOSED}, HoldReason.LATE_ANSWER),
    ],
    ids=["unreadable", "forged", "conflict", "kind", "sender", "late"],
)
def test_of_several_reasons_the_worst_is_given(situation: dict[str, Any], reason: HoldReason) -> None:
    assert decided(**situation).reason is reason


# Referrals


@pytest.mark.parametrize("account_type", AccountType)
@pytest.mark.parametrize("kind", Kind)
def test_the_answer_to_an_inquiry_goes_to_the_agent_where_a_forwards_goes_to_the_customer(
    account_type: AccountType, kind: Kind
) -> None:
    forward = decided(kind, TO_REFERRAL, account_type)
    inquiry = decided(kind, TO_REFERRAL, account_type, referral=INQUIRY)
    if forward.action is Action.RELAY:
        assert inquiry == replace(forward, action=Action.TO_AGENT)
    else:
        assert inquiry == forward


@pytest.mark.parametrize(
    "situation",
    [
        {"referral": replace(INQUIRY, state=ReferralState.EXPIRED)},
        {"referral": INQUIRY, "correlation": replace(TO_REFERRAL, expired=True)},
        {"referral": replace(INQUIRY, state=ReferralState.ANSWERED)},
        {"referral": INQUIRY, "case_state": CaseState.CLOSED},
    ],
    ids=["expired", "late", "answered", "closed"],
)
def test_the_agent_gets_an_answer_however_late(situation: dict[str, Any]) -> None:
    assert decided(**{"correlation": TO_REFERRAL} | situation).action is Action.TO_AGENT


@pytest.mark.parametrize("asked", [WAITING, INQUIRY], ids=["forward", "inquiry"])
@pytest.mark.parametrize("state", [ReferralState.WAITING, ReferralState.ANSWERED])
def test_the_very_same_answer_again_is_a_copy(asked: ReferralView, state: ReferralState) -> None:
    decision = decided(correlation=TO_REFERRAL, referral=replace(asked, state=state), is_copy=True)
    assert (decision.action, decision.event) == (Action.COPY, None)


@pytest.mark.parametrize(
    "reason",
    [
        *("further-answer", "late-answer", "case-closed", "unexpected-sender", "not-human", "customer-copied"),
        "after-restore",
    ],
)
def test_a_person_may_release_an_answer(reason: str) -> None:
    assert decided(**HELD[reason], is_released=True).action is Action.RELAY


@pytest.mark.parametrize("asked", [WAITING, INQUIRY], ids=["forward", "inquiry"])
def test_after_a_restore_no_earlier_answer_goes_anywhere_by_itself(asked: ReferralView) -> None:
    held = decided(correlation=TO_REFERRAL, referral=asked, predates_restore=True)
    assert (held.action, held.reason) == (Action.HOLD, HoldReason.AFTER_RESTORE)
    assert decided(predates_restore=True).action is Action.OPEN_CASE


@pytest.mark.parametrize("reason", ["referral-withdrawn", "tenant-retired", "unreadable", "forged-token"])
def test_some_obstacles_no_person_can_lift(reason: str) -> None:
    assert decided(**HELD[reason], is_released=True).reason is HoldReason(reason)


@pytest.mark.parametrize("kind", [Kind.BOUNCE, Kind.AUTO_REPLY, Kind.RECEIPT])
def test_not_even_a_release_relays_a_report(kind: Kind) -> None:
    assert decided(kind, TO_REFERRAL, is_released=True).action is Action.FILE


def test_an_answer_is_relayed_and_answers_the_referral() -> None:
    decision = decided(correlation=TO_REFERRAL, account_type=REPLY)
    assert (decision.tenant, decision.case_id, decision.referral_id) == ("acme", 5, 7)
    assert (decision.event, decision.seen_state) == (ReferralEvent.ANSWER, ReferralState.WAITING)


def test_on_a_main_account_the_tenant_comes_from_the_token() -> None:
    assert decided(correlation=TO_REFERRAL, account_type=REPLY, tenant=None).tenant == "acme"
    assert decided(account_type=REPLY, tenant=None).tenant is None


@pytest.mark.parametrize(
    ("state", "further", "action"),
    [
        (ReferralState.WAITING, FurtherAnswers.HOLD, Action.RELAY),
        (ReferralState.BOUNCED, FurtherAnswers.HOLD, Action.RELAY),
        (ReferralState.ANSWERED, FurtherAnswers.HOLD, Action.HOLD),
        (ReferralState.ANSWERED, FurtherAnswers.RELAY, Action.RELAY),
        (ReferralState.EXPIRED, FurtherAnswers.RELAY, Action.HOLD),
        (ReferralState.WITHDRAWN, FurtherAnswers.RELAY, Action.HOLD),
    ],
)
def test_the_referrals_state_decides_whether_an_answer_is_relayed(
    state: ReferralState, further: FurtherAnswers, action: Action
) -> None:
    assert decided(correlation=TO_REFERRAL, referral=referral(state), further_answers=further).action is action


def test_an_expired_token_of_a_forward_makes_the_answer_late() -> None:
    assert decided(correlation=TAKEN).reason is HoldReason.LATE_ANSWER


def test_a_permanent_bounce_names_its_status_and_bounces_the_referral() -> None:
    decision = decided(Kind.BOUNCE, TO_REFERRAL, REPLY)
    assert (decision.event, decision.detail) == (ReferralEvent.BOUNCE, "5.1.1")


@pytest.mark.parametrize("permanent", [False, None])
def test_a_delay_or_unclear_bounce_leaves_the_referral_waiting(permanent: bool | None) -> None:
    report = replace(classified(Kind.BOUNCE), bounce=BounceDetail("delayed", permanent, "4.4.1", EXPERT, None, None))
    decision = decided(report, TO_REFERRAL, REPLY)
    assert (decision.action, decision.event) == (Action.FILE, None)


@pytest.mark.parametrize("state", ReferralState)
def test_a_bounce_never_reaches_the_customer_whatever_the_state(state: ReferralState) -> None:
    assert decided(Kind.BOUNCE, TO_REFERRAL, REPLY, referral=referral(state)).action is Action.FILE


@pytest.mark.parametrize("until", [None, date(2026, 4, 1)])
def test_an_absence_is_noted_with_its_last_day(until: date | None) -> None:
    away = classified(Kind.AUTO_REPLY, out_of_office=True, until=until)
    decision = decided(away, TO_REFERRAL, REPLY)
    assert (decision.action, decision.out_of_office, decision.out_of_office_until) == (Action.FILE, True, until)
    assert decision.event is None


def test_an_auto_reply_that_tells_no_absence_notes_none() -> None:
    assert not decided(Kind.AUTO_REPLY, TO_REFERRAL, REPLY).out_of_office


def test_an_answer_without_a_usable_sender_is_held() -> None:
    assert decided(correlation=TO_REFERRAL, raw=NO_SENDER).reason is HoldReason.NO_SENDER


# Customers


@pytest.mark.parametrize("correlation", [TO_CASE, BY_STORED_ID], ids=["token", "stored-id"])
@pytest.mark.parametrize("state", CaseState)
def test_a_customers_answer_continues_its_case_open_or_closed(correlation: Correlation, state: CaseState) -> None:
    decision = decided(correlation=correlation, case_state=state)
    assert (decision.action, decision.case_id) == (Action.CONTINUE_CASE, 5)


def test_a_system_account_takes_nothing_on_a_stored_message_id_alone() -> None:
    assert decided(correlation=BY_STORED_ID, account_type=REPLY).reason is HoldReason.UNCORRELATED


def test_a_bounce_of_a_mail_to_the_customer_is_told_on_the_case() -> None:
    decision = decided(Kind.BOUNCE, TO_CASE)
    assert (decision.action, decision.delivery_failed) == (Action.FILE, True)


def test_a_bounce_in_the_name_of_an_own_address_is_filed_not_held() -> None:
    assert decided(Kind.BOUNCE, TO_REFERRAL, REPLY, sender=OWN).action is Action.FILE


def test_a_mail_that_continues_a_case_is_not_asked_by_rules() -> None:
    decision = decided(correlation=TO_CASE, rules=(rule(then={"hold": True}),))
    assert (decision.action, decision.rule) == (Action.CONTINUE_CASE, None)


def test_the_first_rule_that_holds_wins_and_the_missed_are_kept() -> None:
    rules = (rule("parcels", subject={"contains": "parcel"}), rule(), rule("all", then={"queue": "rest"}))
    decision = decided(rules=(*rules[:1], rule(subject={"contains": "invoice"}), rules[2]))
    assert (decision.rule, decision.missed, decision.then.queue) == ("invoices", ("parcels",), "billing")


def test_without_a_match_a_case_is_opened_and_all_rules_were_missed() -> None:
    decision = decided(rules=(rule(subject={"contains": "parcel"}),))
    assert (decision.action, decision.rule, decision.missed) == (Action.OPEN_CASE, None, ("invoices",))


def test_a_rule_may_discard() -> None:
    assert decided(rules=(rule(then={"discard": True}),)).action is Action.DISCARD


def test_rules_cannot_relay_what_a_system_account_received() -> None:
    decision = decided(account_type=REPLY, rules=(rule(then={"queue": "billing"}),))
    assert (decision.action, decision.rule) == (Action.HOLD, None)


# Loops


@pytest.mark.parametrize(("hop", "action"), [(MOST_HOPS - 1, Action.RELAY), (MOST_HOPS, Action.HOLD)])
def test_a_chain_of_automatic_mails_ends(hop: int, action: Action) -> None:
    decision = decided(correlation=replace(TO_REFERRAL, hop=hop), account_type=REPLY)
    assert decision.action is action
    assert decision.reason in (None, HoldReason.LOOP)


def test_equal_arguments_give_equal_decisions() -> None:
    rules = (rule(subject={"contains": "invoice"}),)
    assert decided(rules=rules) == decided(rules=rules)


# What the receiving server vouches for


@pytest.mark.parametrize(
    ("verdict", "strict", "action"),
    [
        (Verdict.PASS, True, Action.RELAY),
        (Verdict.FAIL, True, Action.HOLD),
        (Verdict.NONE, True, Action.HOLD),
        (Verdict.FAIL, False, Action.RELAY),
        (Verdict.UNCHECKED, False, Action.RELAY),
    ],
    ids=lambda value: str(value),
)
def test_strict_relays_only_what_is_proven(verdict: Verdict, strict: bool, action: Action) -> None:
    checked = Authenticity(verdict, "shown")
    decision = decided(correlation=TO_REFERRAL, authenticity=checked, must_authenticate=strict)
    assert decision.action is action


def test_strict_holds_no_customers_mail() -> None:
    assert decided(correlation=TO_CASE, must_authenticate=True, authenticity=UNPROVEN).action is Action.CONTINUE_CASE


# Exceptions a person made


@pytest.mark.parametrize("kind", Kind)
def test_an_exception_lets_notifications_and_lists_of_the_contact_through_and_nothing_else(kind: Kind) -> None:
    relayed = decided(kind, TO_REFERRAL, REPLY, exceptions=frozenset(Kind)).action is Action.RELAY
    assert relayed is (kind in (Kind.HUMAN, Kind.NOTIFICATION, Kind.LIST))


def test_an_exception_is_for_the_contact_alone() -> None:
    colleague = EXPERT.replace("expert", "colleague")
    decision = decided(Kind.NOTIFICATION, TO_REFERRAL, REPLY, colleague, exceptions=frozenset({Kind.NOTIFICATION}))
    assert decision.reason is HoldReason.NOT_HUMAN


# Further answers


@pytest.mark.parametrize(
    ("rule", "days", "action"),
    [
        (FurtherAnswers.HOLD, 0, Action.HOLD),
        (FurtherAnswers.RELAY, 7, Action.RELAY),
        (FurtherAnswers.RELAY, 8, Action.HOLD),
    ],
    ids=["hold", "inside-the-window", "after-it"],
)
def test_a_further_answer_is_relayed_inside_the_window(rule: FurtherAnswers, days: int, action: Action) -> None:
    first = datetime(2026, 3, 1, tzinfo=UTC)
    decision = decided(
        correlation=TO_REFERRAL,
        referral=replace(referral(ReferralState.ANSWERED), answered_at=first),
        further_answers=rule,
        further_window=timedelta(days=7),
        now=first + timedelta(days=days),
    )
    assert decision.action is action


# Loops


@pytest.mark.parametrize(("signed", "hint"), [(MOST_HOPS, 0), (0, MOST_HOPS)], ids=["ours", "another-installation's"])
def test_a_chain_without_a_person_ends(signed: int, hint: int) -> None:
    decision = decided(correlation=replace(TO_REFERRAL, hop=signed), hop=hint)
    assert decision.reason is HoldReason.LOOP
