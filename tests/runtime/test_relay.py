"""An external's answer to a forward reaches the customer once, in the case's thread, without the external."""

from __future__ import annotations

import re
from email.header import decode_header, make_header
from email.message import Message

import pytest

from tests.office import ANSWER, QUESTION, Office, header, reply_to, text_of
from tests.world import World, mail

TOKEN = re.compile(rb"[a-z2-7]{34}(?=@|\.h[0-9])")


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def relayed(office: Office) -> Message:
    """The only mail in the customer's mailbox."""
    (found,) = office.received()
    return found


def test_the_experts_answer_lies_in_the_customers_mailbox_in_the_cases_thread(office: Office) -> None:
    office.answers(office.forwarded(office.opened()))
    office.route()
    (asked,) = office.received(office.support)
    found = relayed(office)
    assert ANSWER in text_of(found)
    assert (header(found, "From"), header(found, "Subject")) == (f"Support <{office.support}>", "Re: My parcel")
    assert header(found, "In-Reply-To") == asked["Message-ID"]
    assert asked["Message-ID"] in header(found, "References").split()


def test_the_case_shows_the_answer_and_the_relay_and_the_referral_is_answered(office: Office) -> None:
    case = office.opened()
    office.answers(office.forwarded(case), f"{ANSWER}\n\n-- \nErika\n{office.expert}")
    office.route()
    assert office.kinds(case) == ["customer_message", "forward", "external_answer", "relay"]
    entries = office.case(case)["entries"]
    assert office.expert in entries[2]["author"]
    assert office.expert in entries[2]["text"]
    assert ANSWER in entries[3]["text"]
    assert office.expert not in entries[3]["text"]
    referral = office.referral()
    assert (referral["state"], referral["answered"], referral["account"]) == ("answered", True, "main/main-reply")
    assert referral["target"]["address"] == office.customer


def test_the_customers_answer_to_the_relay_comes_back_into_the_case(office: Office) -> None:
    case = office.opened()
    office.answers(office.forwarded(case))
    office.route()
    assert reply_to(relayed(office)) == office.support
    office.answers(relayed(office), "Thank you.", sender=office.customer)
    office.fetch()
    assert office.kinds(case)[-1] == "customer_message"
    assert len(office.cases()) == 1


def nasty(office: Office, asked: Message) -> bytes:
    """An answer that names its writer wherever a mail can, and quotes our token wherever it can."""
    who = office.expert
    lines = [
        f"Message-ID: <{who.replace('@', '.123@')}>",
        f"In-Reply-To: {asked['Message-ID']}",
        f"Reply-To: Erika Expert <{who}>",
        f"Sender: {who}",
        f"Organization: {who}",
        "Content-Type: multipart/mixed; boundary=m",
    ]
    quoted = f"On Monday, {header(asked, 'From')} wrote:\n> From: {who}\n> To: {reply_to(asked)}\n> {QUESTION}\n"
    plain = f"{ANSWER}\nMail {who} or <a href> {reply_to(asked)} please.\n\n-- \nErika Expert\n{who}\n\n{quoted}"
    html = f'<p>{ANSWER}</p><a href="mailto:{who}">{who}</a><blockquote>From: {who}</blockquote>'
    body = "\n".join(
        [
            "--m",
            "Content-Type: multipart/alternative; boundary=a",
            "",
            "--a",
            "Content-Type: text/plain; charset=utf-8",
            "",
            plain,
            "--a",
            "Content-Type: text/html; charset=utf-8",
            "",
            html,
            "--a--",
            "--m",
            f'Content-Type: application/pdf; name="{who}.pdf"',
            f'Content-Disposition: attachment; filename="{who}.pdf"',
            "Content-Transfer-Encoding: base64",
            "",
            "JVBERi0xLjQ=",
            "--m--",
        ]
    )
    return mail(f"Erika Expert <{who}>", reply_to(asked), f"Re: from {who}", body, *lines)


def told(message: Message) -> str:
    """Whatever a person or program can read in a mail: headers of every part, inline text, file names; lower case."""
    parts = list(message.walk())
    headers = [str(make_header(decode_header(value))) for part in parts for value in part.values()]
    return "\n".join([*headers, text_of(message), *(part.get_filename() or "" for part in parts)]).lower()


def test_the_expert_is_named_nowhere_in_the_relayed_mail_nor_its_envelope(office: Office) -> None:
    asked = office.forwarded(office.opened())
    office.submit(nasty(office, asked), reply_to(asked), office.expert)
    office.route()
    (envelope,) = office.world.smtp_server.envelopes(office.customer)
    assert (envelope.mail_from, envelope.rcpt_tos) == (office.support, (office.customer,))
    said = told(relayed(office))
    assert ANSWER.lower() in said
    for telling in (office.expert, office.expert.partition("@")[0], "partner.example", "erika"):
        assert telling not in said
    assert office.expert.encode() not in envelope.data.lower()


def test_a_file_goes_along_with_its_bytes_under_a_name_that_tells_nobody(office: Office) -> None:
    asked = office.forwarded(office.opened())
    office.submit(nasty(office, asked), reply_to(asked), office.expert)
    office.route()
    (file,) = [part for part in relayed(office).walk() if part.get_filename()]
    assert (file.get_filename(), file.get_payload(decode=True)) == ("attachment-1.pdf", b"%PDF-1.4")


def test_no_token_of_another_purpose_stands_in_the_relayed_mail(office: Office) -> None:
    asked = office.forwarded(office.opened())
    office.submit(nasty(office, asked), reply_to(asked), office.expert)
    office.route()
    (forward,) = office.world.smtp_server.envelopes(office.expert)
    (relay,) = office.world.smtp_server.envelopes(office.customer)
    asked_with = set(TOKEN.findall(forward.data)) | set(TOKEN.findall(forward.mail_from.encode()))
    assert len(asked_with) == 2
    assert not asked_with & set(TOKEN.findall(relay.data))
    assert not any(token in relay.data for token in asked_with)


def test_the_same_mail_twice_is_relayed_once_and_the_copy_is_filed(office: Office) -> None:
    case = office.opened()
    asked = office.forwarded(case)
    raw = office.answers(asked)
    office.submit(raw, reply_to(asked), office.expert)
    office.route()
    assert ANSWER in text_of(relayed(office))
    assert office.kinds(case)[2:] == ["external_answer", "relay", "event"]
    assert office.case(case)["entries"][-1]["text"] == "also received by main/main-reply"
    assert office.held() == []


def test_a_copy_that_comes_later_is_filed_too(office: Office) -> None:
    case = office.opened()
    asked = office.forwarded(case)
    raw = office.answers(asked)
    office.route()
    office.submit(raw, reply_to(asked), office.expert)
    office.route()
    assert ANSWER in text_of(relayed(office))
    assert (office.kinds(case)[-1], office.held()) == ("event", [])


def test_an_answer_to_the_reply_and_the_inbound_account_has_one_effect(office: Office) -> None:
    case = office.opened()
    asked = office.forwarded(case)
    both = f"{reply_to(asked)}, {office.support}"
    raw = mail(f"Erika <{office.expert}>", both, "Re: x", ANSWER, f"In-Reply-To: {asked['Message-ID']}")
    for to in (reply_to(asked), office.support):
        office.submit(raw, to, office.expert)
    office.route()
    assert ANSWER in text_of(relayed(office))
    kinds = office.kinds(case)
    assert (kinds.count("external_answer"), kinds.count("relay"), kinds.count("customer_message")) == (1, 1, 1)
    assert (len(office.cases()), office.held()) == (1, [])


def test_another_answer_is_no_copy_and_waits_for_a_person(office: Office) -> None:
    asked = office.forwarded(office.opened())
    office.answers(asked)
    office.route()
    office.answers(asked, "It was Tuesday.")
    office.route()
    assert ANSWER in text_of(relayed(office))
    assert office.held() == ["further-answer"]


def test_where_the_tenant_wants_it_further_answers_are_relayed_too(world: World) -> None:
    office = Office(world, referrals={"further_answers": "relay"})
    asked = office.forwarded(office.opened())
    office.answers(asked)
    office.answers(asked, "It was Tuesday.")
    office.route()
    assert [("Tuesday" in text_of(m)) for m in office.received()] == [False, True]


@pytest.mark.parametrize(
    ("support", "reply"),
    [({"smtp": None}, {}), ({"relay_from": "reply-account"}, {})],
    ids=["inbound cannot send", "relay_from"],
)
def test_the_reply_account_relays_under_the_tenants_name(world: World, support: object, reply: object) -> None:
    office = Office(world, support=support, reply=reply, name="Acme Ltd")
    case = office.opened()
    office.answers(office.forwarded(case))
    office.route()
    found = relayed(office)
    assert header(found, "From") == f"Acme Ltd <{office.reply_account}>"
    assert (reply_to(found), found["Return-Path"]) == (office.support, f"<{office.support}>")
    office.answers(found, "Thank you.", sender=office.customer)
    office.fetch()
    assert office.kinds(case)[-1] == "customer_message"


def test_bounces_of_a_relay_and_answers_to_it_carry_the_cases_token_where_the_server_takes_it(world: World) -> None:
    office = Office(world, support={"subaddressing": "+"})
    case = office.opened()
    office.answers(office.forwarded(case))
    office.route()
    (envelope,) = world.smtp_server.envelopes(office.customer)
    assert envelope.mail_from == reply_to(relayed(office)) != office.support
    office.answers(relayed(office), "Thank you.", sender=office.customer, threaded=False)
    office.fetch()
    assert office.kinds(case)[-1] == "customer_message"


@pytest.mark.parametrize(
    ("text", "headers", "reason"),
    [
        ("> only\n> a quote\n", (), "empty-answer"),
        ("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----", (), "signed-or-encrypted"),
    ],
    ids=["empty", "encrypted"],
)
def test_an_answer_that_cannot_be_relayed_as_it_is_waits_for_a_person(
    office: Office, text: str, headers: tuple[str, ...], reason: str
) -> None:
    office.answers(office.forwarded(office.opened()), text, *headers)
    office.route()
    assert (office.received(), office.held(), office.referral()["state"]) == ([], [reason], "waiting")


def test_what_is_left_out_of_a_relay_is_told_on_the_case(office: Office) -> None:
    case = office.opened()
    asked = office.forwarded(case)
    card = "--m\nContent-Type: text/plain\n\n{}\n--m\nContent-Type: text/vcard\nContent-Disposition: attachment; "
    body = card.format(ANSWER) + "filename=me.vcf\n\nBEGIN:VCARD\n--m--"
    office.answers(asked, body, "Content-Type: multipart/mixed; boundary=m")
    office.route()
    assert not [part for part in relayed(office).walk() if part.get_filename()]
    assert "me.vcf was not relayed" in office.case(case)["entries"][-1]["text"]
