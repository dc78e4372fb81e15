from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.account import AnswerFrom
from reconciler.core.authentication import UNCHECKED, Authenticity, Verdict
from reconciler.core.correlation import NOBODY, Outcome, StoredMail, TriedResult, Writer, correlate
from reconciler.core.message import Address, parse_head
from reconciler.core.subject_tag import Tagged, find_tags, subject_tag
from reconciler.core.token import (
    Purpose,
    Rung,
    TokenKey,
    TokenRecord,
    address_token,
    find_tokens,
    signed_message_id,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = TokenKey("k2", bytes(range(32)))
RETIRED = TokenKey("ka", bytes(range(1, 33)))
FORWARD = TokenRecord(1, "acme", Purpose.FORWARD, 5, 7, "expert@firm.example", NOW + timedelta(days=1))
CUSTOMER = TokenRecord(2, "acme", Purpose.CASE, 5, None, "customer@home.example", NOW + timedelta(days=1))
OTHER_REFERRAL = replace(FORWARD, id=3, referral_id=8)
OTHER_CASE = replace(CUSTOMER, id=4, case_id=6)
OTHER_TENANT = replace(FORWARD, id=6, tenant="globex")
STRANGER = replace(CUSTOMER, id=99)
LATE = {"expires_at": NOW}


def message_id(record: TokenRecord, hop: int = 0, key: TokenKey = KEY) -> str:
    return signed_message_id(key, record, hop=hop, instance="desk", domain="acme.example")


def decide(
    *known: TokenRecord,
    to=None,
    in_reply_to=None,
    references=(),
    original=(),
    stored=None,
    own="acme",
    key=KEY,
    keys=(KEY,),
    writer=NOBODY,
):
    lines = []
    if to:
        lines.append(f"To: reply+{to if isinstance(to, str) else address_token(key, to)}@acme.example")
    if in_reply_to:
        lines.append(f"In-Reply-To: {in_reply_to}")
    if references:
        lines.append("References: " + " ".join(references))
    found = find_tokens(parse_head("\r\n".join([*lines, "", ""]).encode()), original)
    return correlate(found, {record.id: record for record in known}, stored or {}, keys, NOW, own, writer)


def test_a_mail_without_any_sign_belongs_nowhere():
    assert decide().outcome is Outcome.NONE


@pytest.mark.parametrize(
    ("place", "rung"),
    [
        ({"to": FORWARD}, Rung.RECIPIENT_TOKEN),
        ({"in_reply_to": message_id(FORWARD)}, Rung.IN_REPLY_TO),
        ({"references": [message_id(FORWARD), "<x@firm.example>"]}, Rung.REFERENCES),
        ({"original": [message_id(FORWARD)]}, Rung.ORIGINAL_MESSAGE_ID),
    ],
    ids=["recipient", "in-reply-to", "references", "original"],
)
@pytest.mark.parametrize("own", ["acme", None])
def test_a_signed_token_finds_its_referral_on_every_rung(place, rung, own):
    result = decide(FORWARD, **place, own=own)
    assert (result.outcome, result.rung, result.tenant, result.case_id, result.referral_id, result.purpose) == (
        Outcome.MATCH,
        rung,
        "acme",
        5,
        7,
        Purpose.FORWARD,
    )
    assert result.evidence


def test_several_mails_of_one_case_agree_and_the_strongest_rung_decides():
    result = decide(FORWARD, CUSTOMER, in_reply_to=message_id(CUSTOMER), references=[message_id(FORWARD)])
    assert (result.outcome, result.purpose, result.referral_id, result.token_id) == (Outcome.MATCH, Purpose.CASE, 7, 2)


@pytest.mark.parametrize(
    ("known", "place"),
    [
        ((FORWARD, OTHER_REFERRAL), {"to": FORWARD, "in_reply_to": message_id(OTHER_REFERRAL)}),
        ((FORWARD, OTHER_CASE), {"to": FORWARD, "references": [message_id(OTHER_CASE)]}),
        ((FORWARD,), {"to": FORWARD, "stored": {"<x@y.example>": StoredMail("acme", 6)}}),
        ((), {"stored": {"<x@y.example>": StoredMail("acme", 6), "<z@y.example>": StoredMail("acme", 5)}}),
        ((OTHER_TENANT,), {"to": OTHER_TENANT}),
        ((OTHER_TENANT,), {"references": [message_id(OTHER_TENANT)]}),
        ((FORWARD, OTHER_TENANT), {"to": FORWARD, "in_reply_to": message_id(OTHER_TENANT), "own": None}),
    ],
    ids=["referrals", "cases", "token-stored", "stored-stored", "tenant", "tenant-references", "main-account"],
)
def test_signs_that_disagree_are_a_conflict_and_name_no_case(known, place):
    result = decide(*known, **place)
    assert (result.outcome, result.tenant, result.case_id, result.referral_id) == (Outcome.CONFLICT, None, None, None)


@pytest.mark.field("forged token")
@pytest.mark.parametrize(
    ("known", "place"),
    [
        ((), {"to": FORWARD}),
        ((replace(FORWARD, case_id=6),), {"to": FORWARD}),
        ((FORWARD,), {"to": message_id(FORWARD)[1:35]}),
        ((FORWARD,), {"in_reply_to": message_id(FORWARD).replace(".h0.", ".h1.")}),
        ((FORWARD,), {"to": FORWARD, "references": [message_id(CUSTOMER).replace("@", "x@")], "known": CUSTOMER}),
        ((FORWARD,), {"to": FORWARD, "key": RETIRED}),
    ],
    ids=["unknown", "other-record", "from-message-id", "hop", "beside-a-good-one", "retired-key"],
)
def test_a_forged_token_outweighs_everything(known, place):
    known = (*known, place.pop("known")) if "known" in place else known
    result = decide(*known, **place)
    assert (result.outcome, result.case_id) == (Outcome.FORGED, None)


@pytest.mark.parametrize(
    "place",
    [
        {"in_reply_to": message_id(STRANGER)},
        {"references": [message_id(STRANGER)]},
        {"in_reply_to": message_id(STRANGER)[:20]},
        {"to": address_token(KEY, FORWARD)[:-1]},
    ],
    ids=["in-reply-to", "references", "truncated-id", "truncated-address"],
)
def test_an_unknown_message_id_or_a_truncated_token_is_no_sign(place):
    assert decide(FORWARD, **place).outcome is Outcome.NONE


def test_an_old_thread_whose_key_was_retired_is_not_held():
    assert decide(CUSTOMER, in_reply_to=message_id(CUSTOMER, key=RETIRED)).outcome is Outcome.NONE


def test_a_stored_message_id_counts_for_its_tenant():
    result = decide(stored={"<x@y.example>": StoredMail("acme", 5)})
    assert (result.outcome, result.rung, result.case_id, result.purpose) == (
        Outcome.MATCH,
        Rung.STORED_MESSAGE_ID,
        5,
        None,
    )


@pytest.mark.parametrize("own", [None, "globex"])
def test_a_stored_message_id_never_crosses_tenants_nor_counts_on_a_main_account(own):
    assert decide(stored={"<x@y.example>": StoredMail("acme", 5)}, own=own).outcome is Outcome.NONE


def test_an_expired_token_of_a_referral_matches_and_says_so():
    late = replace(FORWARD, **LATE)
    result = decide(late, to=late)
    assert (result.outcome, result.expired) == (Outcome.MATCH, True)


def test_an_expired_customer_token_leaves_the_decision_to_the_other_rungs():
    late = replace(CUSTOMER, **LATE)
    assert decide(late, to=late).outcome is Outcome.NONE
    result = decide(late, to=late, stored={"<x@y.example>": StoredMail("acme", 6)})
    assert (result.outcome, result.rung, result.case_id, result.expired) == (
        Outcome.MATCH,
        Rung.STORED_MESSAGE_ID,
        6,
        False,
    )


def test_the_hop_count_is_the_highest_that_is_signed():
    result = decide(FORWARD, CUSTOMER, in_reply_to=message_id(FORWARD, 2), references=[message_id(CUSTOMER, 4)])
    assert result.hop == 4
    assert decide(FORWARD, to=FORWARD).hop is None
    late = replace(CUSTOMER, **LATE)
    assert decide(late, in_reply_to=message_id(late, 9)).hop == 9


def test_evidence_never_shows_a_token():
    shown = " ".join(decide(FORWARD, to=FORWARD, in_reply_to=message_id(STRANGER)).evidence)
    assert address_token(KEY, FORWARD) not in shown
    assert message_id(STRANGER)[1:35] not in shown


# Keys


@pytest.mark.parametrize("place", ["to", "in_reply_to"])
def test_after_a_rotation_the_old_key_still_verifies(place):
    sign = {"to": address_token(RETIRED, FORWARD), "in_reply_to": message_id(FORWARD, key=RETIRED)}[place]
    assert decide(FORWARD, **{place: sign}, keys=(KEY, RETIRED)).outcome is Outcome.MATCH


@pytest.mark.parametrize(
    ("record", "key"),
    [(CUSTOMER, RETIRED), (replace(CUSTOMER, **LATE), KEY), (replace(CUSTOMER, **LATE), RETIRED)],
    ids=["key-is-gone", "expired", "both"],
)
def test_a_customers_token_that_says_nothing_any_more_holds_nothing(record, key):
    assert decide(record, to=record, key=key).outcome is Outcome.NONE


def test_an_altered_token_of_an_expired_conversation_holds_nothing_either():
    late = replace(CUSTOMER, **LATE)
    altered = address_token(KEY, late)[:-1] + "a"
    assert (
        decide(late, to=altered if altered != address_token(KEY, late) else altered[:-1] + "b").outcome is Outcome.NONE
    )


# Every rung is kept


def test_each_rung_is_told_with_what_it_gave():
    late = replace(CUSTOMER, **LATE)
    result = decide(FORWARD, late, to=late, in_reply_to=message_id(FORWARD), references=[message_id(STRANGER)])
    assert [(tried.rung, tried.result) for tried in result.tried] == [
        (Rung.RECIPIENT_TOKEN, TriedResult.IGNORED),
        (Rung.IN_REPLY_TO, TriedResult.HIT),
        (Rung.REFERENCES, TriedResult.IGNORED),
        (Rung.ORIGINAL_MESSAGE_ID, TriedResult.MISSED),
        (Rung.STORED_MESSAGE_ID, TriedResult.MISSED),
        (Rung.SUBJECT_TAG, TriedResult.MISSED),
    ]
    assert all(tried.detail for tried in result.tried)


# Subject tags

TAGGED = Tagged("acme", 5, 7, Address("", "expert@firm.example"), AnswerFrom.DOMAIN)
EXPERT = Address("", "expert@firm.example")


def tagged(subject=None, sender=EXPERT, known=TAGGED, checked=UNCHECKED, must=False):
    subject = subject or f"Re: parcel {subject_tag(KEY, 'acme', 5, 7)}"
    return Writer(sender, checked, must, dict.fromkeys(find_tags(subject), known))


@pytest.mark.parametrize(
    ("writer", "own", "outcome"),
    [
        (tagged(), "acme", Outcome.MATCH),
        (tagged(sender=Address("", "colleague@firm.example")), "acme", Outcome.MATCH),
        (tagged(subject_tag(KEY, "acme", 5, 7).upper()), "acme", Outcome.MATCH),
        (tagged(sender=Address("", "x@elsewhere.example")), "acme", Outcome.NONE),
        (tagged(sender=None), "acme", Outcome.NONE),
        (tagged(known=None), "acme", Outcome.NONE),
        (tagged("[R7-k2aaaaaaaaaaaa]"), "acme", Outcome.NONE),
        (tagged("R7"), "acme", Outcome.NONE),
        (tagged(subject_tag(KEY, "acme", 5, None)), "acme", Outcome.NONE),
        (tagged(subject_tag(RETIRED, "acme", 5, 7)), "acme", Outcome.NONE),
        (tagged(known=replace(TAGGED, tenant="globex")), "acme", Outcome.NONE),
        (tagged(), "globex", Outcome.CONFLICT),
        (tagged(), None, Outcome.NONE),
        (tagged(checked=Authenticity(Verdict.FAIL, "dmarc=fail")), "acme", Outcome.NONE),
        (tagged(checked=Authenticity(Verdict.NONE, ""), must=True), "acme", Outcome.NONE),
        (tagged(checked=Authenticity(Verdict.PASS, ""), must=True), "acme", Outcome.MATCH),
    ],
    ids=[
        "contact",
        "colleague",
        "case-does-not-count",
        "stranger",
        "no-sender",
        "unknown",
        "forged",
        "number-alone",
        "the-case's-tag-with-R",
        "retired-key",
        "other-tenant's",
        "at-another-tenant",
        "main-account",
        "spoofed",
        "unproven",
        "proven",
    ],
)
def test_a_tag_counts_from_an_expected_sender_at_its_tenant_alone(writer, own, outcome):
    assert decide(writer=writer, own=own).outcome is outcome


def test_a_tag_is_asked_only_if_nothing_else_says_anything():
    assert decide(OTHER_CASE, in_reply_to=message_id(OTHER_CASE), writer=tagged()).case_id == 6


# Guessing


@pytest.mark.field("guessing")
def test_guessing_at_scale_finds_nothing():
    good = address_token(KEY, FORWARD)
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    guesses = {good[:at] + letter + good[at + 1 :] for at in range(2, 34) for letter in letters} - {good}
    assert len(guesses) == 32 * 31
    assert {decide(FORWARD, to=guess).outcome for guess in guesses} == {Outcome.FORGED}


@pytest.mark.field("truncated token")
@pytest.mark.parametrize("length", range(34))
def test_a_truncated_token_is_none(length):
    assert decide(FORWARD, to=address_token(KEY, FORWARD)[:length] or "x").outcome is Outcome.NONE


@pytest.mark.field("another purpose's token")
@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.FORWARD])
def test_a_token_of_another_purpose_is_forged(purpose):
    other = replace(FORWARD, purpose=purpose)
    assert decide(FORWARD, to=address_token(KEY, other)).outcome is Outcome.FORGED
