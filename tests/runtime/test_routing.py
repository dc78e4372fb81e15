"""What comes to the accounts and what becomes of it: who is believed, and what never reaches a customer."""

from __future__ import annotations

import re
from datetime import timedelta
from email.message import Message

import pytest

from reconciler.core.referral import ReferralKind
from reconciler.runtime.clock import utc_now
from reconciler.runtime.referring import refer
from tests.office import ANSWER, Office, header, reply_to, text_of
from tests.world import World, mail


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


@pytest.fixture
def asked(office: Office) -> Message:
    """A forward of C1 as the expert has it."""
    return office.forwarded(office.opened())


def untouched(office: Office, state: str = "waiting") -> bool:
    """Nothing went to the customer, no case came up, and the referral stands as it did."""
    office.send()
    no_mail = office.received() == [] and office.world.smtp_server.envelopes(office.customer) == []
    return no_mail and len(office.cases()) == 1 and office.referral()["state"] == state


def bounce(office: Office, asked: Message, status: str = "5.1.1", action: str = "failed") -> bytes:
    """The report of a server that could not deliver our mail."""
    body = [
        "--d",
        "Content-Type: text/plain",
        "",
        "Your message could not be delivered.",
        "--d",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.partner.example",
        "",
        f"Final-Recipient: rfc822; {office.expert}",
        f"Action: {action}",
        f"Status: {status}",
        "--d",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: {asked['Message-ID']}",
        "--d--",
    ]
    kind = 'Content-Type: multipart/report; report-type=delivery-status; boundary="d"'
    return mail("MAILER-DAEMON@mx.partner.example", "x@acme.example", "Undelivered Mail", "\n".join(body), kind)


# What no person wrote


def test_a_bounce_to_the_envelope_sender_bounces_the_referral(office: Office, asked: Message) -> None:
    (envelope,) = office.world.smtp_server.envelopes(office.expert)
    office.submit(bounce(office, asked), envelope.mail_from, "")
    office.fetch()
    assert untouched(office, "bounced")
    assert (office.referral()["trouble"], office.held()) == ("5.1.1", [])
    assert office.kinds("C1")[-1] == "report"


def test_without_subaddressing_a_bounce_is_found_by_the_message_id_it_encloses(world: World) -> None:
    office = Office(world, reply={})
    asked = office.forwarded(office.opened())
    (envelope,) = world.smtp_server.envelopes(office.expert)
    assert envelope.mail_from == office.reply_account
    office.submit(bounce(office, asked), envelope.mail_from, "")
    office.fetch()
    assert untouched(office, "bounced")


def test_a_delay_leaves_the_referral_waiting(office: Office, asked: Message) -> None:
    office.submit(bounce(office, asked, "4.4.1", "delayed"), reply_to(asked), "")
    office.fetch()
    assert untouched(office)
    assert (office.referral()["trouble"], office.kinds("C1")[-1]) == (None, "report")


def test_a_bounce_of_a_reply_to_the_customer_is_told_on_the_case(office: Office) -> None:
    case = office.opened()
    office.command("reply", case, "--text", "Hello")
    office.send()
    office.submit(bounce(office, office.received()[0]), office.support, "")
    office.fetch()
    assert office.kinds(case)[-2:] == ["report", "event"]
    assert "could not be delivered (5.1.1)" in office.case(case)["entries"][-1]["text"]


@pytest.mark.parametrize(
    ("text", "until"),
    [("I am out of the office until 14 March 2026.", "2026-03-14"), ("I am out of the office.", "unknown")],
    ids=["until", "unknown"],
)
def test_an_absence_is_noted_on_the_referral_which_waits_on(
    office: Office, asked: Message, text: str, until: str
) -> None:
    office.answers(asked, text, "Auto-Submitted: auto-replied", "Precedence: bulk", envelope_from="")
    office.fetch()
    assert untouched(office)
    assert (office.referral()["out_of_office_until"], office.held()) == (until, [])


RECEIPT = (
    "--r\nContent-Type: text/plain\n\nYour message was read.\n--r\nContent-Type: message/disposition-notification\n\n"
    "Final-Recipient: rfc822;expert@partner.example\nDisposition: manual-action/MDN-sent-manually; displayed\n--r--"
)
CALENDAR = (
    "--c\nContent-Type: text/plain\n\nAccepted\n--c\nContent-Type: text/calendar; method=REPLY\n\n"
    "BEGIN:VCALENDAR\nMETHOD:REPLY\nVERSION:2.0\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nEND:VCALENDAR\n--c--"
)


@pytest.mark.parametrize(
    ("text", "headers", "held", "entry"),
    [
        (RECEIPT, ["Content-Type: multipart/report; report-type=disposition-notification; boundary=r"], [], "report"),
        (CALENDAR, ["Content-Type: multipart/alternative; boundary=c"], ["not-human"], "event"),
        (ANSWER, ["List-Id: <experts.lists.example>", "Precedence: list"], ["not-human"], "event"),
        (ANSWER, ["Auto-Submitted: auto-generated"], [], "report"),
    ],
    ids=["receipt", "calendar", "list", "generated"],
)
def test_what_no_person_wrote_is_never_relayed(
    office: Office, asked: Message, text: str, headers: list[str], held: list[str], entry: str
) -> None:
    office.answers(asked, text, *headers)
    office.fetch()
    assert untouched(office)
    assert (office.held(), office.kinds("C1")[-1]) == (held, entry)


def test_an_auto_reply_without_any_sign_opens_no_case(office: Office) -> None:
    office.world.customer_writes(
        office.customer, office.support, "Automatic reply", "I am out.", "Auto-Submitted: auto-replied"
    )
    office.fetch()
    assert (office.cases(), office.held()) == ([], [])
    assert office.json("explain", "message", "M1")["decision"]["action"] == "unassigned"


# Tokens


def forged(address: str) -> str:
    """The address with another signature: the last characters of the token are others."""
    local, _, domain = address.partition("@")
    return f"{local[:-4]}{''.join('a' if c != 'a' else 'b' for c in local[-4:])}@{domain}"


def invented(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}+{'a' * 34}@{domain}"


def cut(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local[:-5]}@{domain}"


def bare(address: str) -> str:
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (forged, "forged-token"),
        (invented, "forged-token"),
        (cut, "uncorrelated"),
        (bare, "uncorrelated"),
    ],
)
def test_an_answer_without_a_token_of_ours_is_held_and_changes_nothing(
    office: Office, asked: Message, change: object, reason: str
) -> None:
    assert callable(change)
    office.answers(asked, to=change(reply_to(asked)), threaded=False)
    office.fetch()
    assert untouched(office)
    assert (office.held(), office.kinds("C1")) == ([reason], ["customer_message", "forward"])


@pytest.mark.field("forged token")
def test_a_forged_token_is_held_though_the_thread_is_right(office: Office, asked: Message) -> None:
    office.answers(asked, to=forged(reply_to(asked)))
    office.fetch()
    assert untouched(office)
    assert office.held() == ["forged-token"]


@pytest.mark.field("expired token")
def test_an_answer_that_is_late_is_held(office: Office) -> None:
    case = office.opened()
    with office.desk() as desk:
        refer(desk, int(case[1:]), ReferralKind.FORWARD, [office.expert], "", utc_now() - timedelta(days=61))
    office.send()
    (asked,) = office.received(office.expert)
    office.answers(asked)
    office.fetch()
    assert untouched(office)
    assert (office.held(), office.kinds(case)[-1]) == (["late-answer"], "event")


@pytest.mark.field("another tenant's token")
def test_a_token_of_another_tenant_is_held(world: World) -> None:
    office = Office(world, reply={"subaddressing": "+"})
    other = Office(world, reply={"subaddressing": "+"}, unit="globex")
    asked = office.forwarded(office.opened())
    stolen = reply_to(asked).partition("+")[2].partition("@")[0]
    local, _, domain = other.reply_account.partition("@")
    other.answers(asked, to=f"{local}+{stolen}@{domain}", sender=office.expert)
    other.fetch()
    assert untouched(office)
    (found,) = office.json("held")["held"]
    assert (found["reason"], found["tenant"], found["account"]) == ("conflicting-evidence", "globex", "globex/reply")
    assert office.kinds("C1") == ["customer_message", "forward"]


def test_tokens_of_two_cases_in_one_mail_are_held(office: Office, asked: Message) -> None:
    other = office.forwarded(office.opened(subject="Another"))
    office.answers(asked, "Which?", f"References: {other['Message-ID']}")
    office.fetch()
    assert office.held() == ["conflicting-evidence"]
    assert office.received() == []


def test_a_key_that_was_replaced_still_verifies(office: Office, asked: Message) -> None:
    office.command("key", "new")
    office.answers(asked)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]


def test_a_stranger_who_knows_the_subject_only_is_held(office: Office, asked: Message) -> None:
    stranger = office.outside("stranger", "stranger.example")
    office.world.customer_writes(stranger, office.world.main_reply, f"Re: {header(asked, 'Subject')}", "Pay me.")
    office.fetch()
    assert untouched(office)
    assert (office.held(), office.kinds("C1")) == (["uncorrelated"], ["customer_message", "forward"])


def test_a_stranger_who_knows_the_subject_only_joins_no_case(office: Office, asked: Message) -> None:
    stranger = office.outside("stranger", "stranger.example")
    office.world.customer_writes(stranger, office.support, f"Re: {header(asked, 'Subject')}", "Pay me.")
    office.fetch()
    assert office.kinds("C1") == ["customer_message", "forward"]
    assert [case["customer"]["address"] for case in office.cases()] == [stranger, office.customer]


# Who answers


def test_a_colleague_of_the_contact_may_answer(office: Office, asked: Message) -> None:
    colleague = office.outside("colleague", "partner.example")
    office.answers(asked, f"{ANSWER}\n\n{colleague}", sender=f"Colin Colleague <{colleague}>")
    office.route()
    (relayed,) = office.received()
    assert ANSWER in text_of(relayed)
    assert colleague not in str(relayed) + text_of(relayed)


@pytest.mark.parametrize("rule", ["domain", "address"])
def test_an_answer_from_elsewhere_is_held(world: World, rule: str) -> None:
    office = Office(world, referrals={"answer_from": rule})
    asked = office.forwarded(office.opened())
    domain = "elsewhere.example" if rule == "domain" else "partner.example"
    other = office.outside("other", domain)
    office.answers(asked, sender=f"{office.expert} <{other}>")
    office.fetch()
    assert untouched(office)
    (found,) = office.json("held")["held"]
    assert (found["reason"], found["from"]) == ("unexpected-sender", other)
    assert found["detail"] == f"from {other}, asked was {office.expert} (answer_from: {rule})"


def test_the_customer_cannot_answer_in_the_experts_name(office: Office, asked: Message) -> None:
    office.answers(asked, sender=office.customer)
    office.fetch()
    assert untouched(office)
    assert office.held() == ["unexpected-sender"]


@pytest.mark.field("closed")
def test_an_answer_after_the_case_was_closed_is_held(office: Office, asked: Message) -> None:
    office.command("close", "C1")
    office.answers(asked)
    office.fetch()
    assert untouched(office)
    assert (office.held(), office.case("C1")["state"]) == (["case-closed"], "closed")


@pytest.mark.field("retired tenant")
def test_an_answer_after_the_tenant_was_removed_is_held(office: Office, asked: Message) -> None:
    office.world.folder.remove("acme")
    blocked = office.command("apply", check=3)
    digest = re.search(r"reconciler ack ([0-9a-f]+)", blocked.out + blocked.err)
    assert digest is not None, blocked
    office.command("ack", digest[1], "--reason", "they left")
    office.command("apply")
    office.answers(asked)
    office.fetch()
    assert untouched(office)
    assert office.held() == ["tenant-retired"]


# Customers


def test_the_customers_answer_to_a_reply_comes_back_to_the_case(office: Office) -> None:
    case = office.opened()
    office.command("reply", case, "--text", "We are looking into it.")
    office.send()
    (replied,) = office.received()
    office.answers(replied, "Thank you.", sender=office.customer)
    office.fetch()
    assert (office.kinds(case), len(office.cases())) == (["customer_message", "agent_reply", "customer_message"], 1)
    assert office.case(case)["entries"][-1]["text"] == "Thank you."


def test_a_customers_answer_opens_a_closed_case_again(office: Office) -> None:
    case = office.opened()
    office.command("reply", case, "--text", "Done.")
    office.send()
    office.command("close", case)
    office.answers(office.received()[0], "Not done.", sender=office.customer)
    office.fetch()
    assert (office.case(case)["state"], office.case(case)["closed_at"]) == ("open", None)


def test_a_customers_second_mail_in_the_thread_continues_the_case(office: Office) -> None:
    first = office.world.customer_writes(office.customer, office.support)
    office.fetch()
    office.world.customer_writes(office.customer, office.support, "Re: A question", "More.", f"References: {first}")
    office.fetch()
    assert office.kinds("C1") == ["customer_message", "customer_message"]


def replied_long_ago(world: World) -> tuple[Office, Message]:
    """A reply whose token has expired, as the customer has it."""
    office = Office(world, support={"subaddressing": "+"})
    case = office.opened()
    with office.desk() as desk:
        desk.reply(int(case[1:]), "Hello", utc_now() - timedelta(days=401))
    office.send()
    return office, office.received()[0]


@pytest.mark.field("expired token")
def test_an_expired_token_of_a_customer_opens_a_new_case(world: World) -> None:
    office, replied = replied_long_ago(world)
    office.answers(replied, "Back again.", sender=office.customer)
    office.fetch()
    assert (office.held(), len(office.cases())) == ([], 2)


def test_with_an_expired_token_the_thread_still_finds_the_case(world: World) -> None:
    office, replied = replied_long_ago(world)
    (first,) = office.received(office.support)
    office.answers(replied, "Back again.", f"References: {first['Message-ID']}", sender=office.customer)
    office.fetch()
    assert (office.held(), len(office.cases())) == ([], 1)
    assert office.kinds("C1")[-1] == "customer_message"


# Ourselves


@pytest.mark.parametrize("whose", ["support", "main_reply"])
def test_a_mail_from_an_address_of_ours_is_held(office: Office, whose: str) -> None:
    sender = office.support if whose == "support" else office.world.main_reply
    office.world.customer_writes(sender, office.support)
    office.fetch()
    assert (office.cases(), office.held()) == ([], ["own-address"])


def test_a_mail_of_ours_that_comes_back_is_held_as_a_loop(office: Office, asked: Message) -> None:
    (envelope,) = office.world.smtp_server.envelopes(office.expert)
    office.submit(envelope.data, office.support, office.expert)
    office.fetch()
    assert untouched(office)
    assert office.held() == ["loop"]


def test_rules_say_where_a_new_case_goes(world: World) -> None:
    rule = {
        "id": "invoices",
        "when": {"subject": {"contains": "invoice"}},
        "then": {"queue": "billing", "agent": "bill@acme.example", "tags": ["invoice"], "priority": "high"},
    }
    office = Office(world, routing=[{"id": "none", "when": {"kind": "list"}, "then": {"discard": True}}, rule])
    case = office.case(office.opened(subject="Invoice 7"))
    assert (case["queue"], case["agent"], case["tags"], case["priority"]) == (
        "billing",
        "bill@acme.example",
        ["invoice"],
        "high",
    )
    assert [c["id"] for c in office.json("cases", "--agent", "BILL@acme.example")["cases"]] == [case["id"]]
    decision = office.json("explain", "message", "M1")["decision"]
    assert (decision["rule"], decision["rules_missed"]) == ("invoices", ["none"])


@pytest.mark.parametrize(("then", "held"), [({"hold": True}, ["by-rule"]), ({"discard": True}, [])])
def test_a_rule_may_hold_or_discard(world: World, then: dict[str, bool], held: list[str]) -> None:
    office = Office(world, routing=[{"id": "all", "when": {}, "then": then}])
    office.world.customer_writes(office.customer, office.support)
    office.fetch()
    assert (office.cases(), office.held()) == ([], held)


def test_a_mail_nobody_can_read_is_held_and_the_next_one_routed(office: Office) -> None:
    office.world.dovecot.deliver(office.support, b"\x00\x01")
    office.world.customer_writes(office.customer, office.support)
    office.fetch()
    assert (office.held(), len(office.cases())) == (["unreadable"], 1)
