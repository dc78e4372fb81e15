from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import Address
from reconciler.core.attachment import Attachment
from reconciler.core.message import Body, Message, parse, parse_head
from reconciler.core.outgoing import OutgoingMail, build
from reconciler.core.relay import Refusal, RelayContent, RelayRefusal, prepare
from reconciler.core.tenant_settings import RelayPolicy

CONTACT = Address("Max Expert", "max.expert@firm.example")
INTERNAL = ["reply@acme.example", "agent@acme.example"]
TOKEN = "k2" + "a" * 32

NASTY = f"""\
From: Max Expert <max.expert@firm.example>
Reply-To: "Max Expert" <Max.Expert+tickets@firm.example>
Sender: assistant@firm.example
To: reply+{TOKEN}@acme.example
Message-ID: <max.expert@firm.example>
X-Mailer: max.expert@firm.example
Subject: Re: Invoice - from max.expert@firm.example
Date: Mon, 2 Mar 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=utf-8

The invoice is right. Ask MAX.EXPERT@firm.example (mailto:max.expert+x@FIRM.example)
or max.expert&#64;firm.example or colleague@sub.firm.example or agent@acme.example,
but shop@other.example is fine. Your number: reply+{TOKEN}@acme.example

Max Expert

See also page 3.

Kind regards
Max Expert
Firm Ltd, max.expert@firm.example

On Mon, 2 Mar 2026 at 9:00, Max Expert <max.expert@firm.example> wrote:
> From: max.expert@firm.example
--a
Content-Type: text/html; charset=utf-8

<p>The invoice is right.</p><a href="mailto:max.expert@firm.example">max.expert&#64;firm.example</a>
--a--
--m
Content-Type: image/png; name="max.expert@firm.example.png"
Content-ID: <logo.max.expert@firm.example>
Content-Disposition: inline; filename="max.expert@firm.example.png"
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--m
Content-Type: text/plain; charset=utf-8
Content-Disposition: inline; filename="note.txt"

max.expert@firm.example
--m
Content-Type: text/vcard
Content-Disposition: attachment; filename="card.vcf"

EMAIL:max.expert@firm.example
--m
Content-Type: message/rfc822

From: max.expert@firm.example
Subject: old

old
--m
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''Gutachten%20Expert.pdf
Content-Transfer-Encoding: base64

JVBERi0=
--m
Content-Type: application/pdf
Content-Disposition: attachment; filename="invoice 12.pdf"
Content-Transfer-Encoding: base64

JVBERi0=
--m--
""".replace("\n", "\r\n").encode()


def answer(text: str, *attachments: Attachment, types: tuple[str, ...] = ("text/plain",), sender: str = "") -> Message:
    head = parse_head(f"From: {sender or 'Max Expert <max.expert@firm.example>'}\r\n\r\n".encode())
    return Message(head, Body(text, None, attachments, types), (), readable=True)


def relayed(text: str, contact: Address = CONTACT, internal=INTERNAL, **more) -> str:
    content = prepare(answer(text, **more), contact, internal)
    assert isinstance(content, RelayContent), content
    return content.text


def file(name: str, content_type: str = "application/pdf", inline: bool = False) -> Attachment:
    return Attachment(name, content_type, b"payload", inline, None)


def kept(*attachments: Attachment, contact: Address = CONTACT) -> RelayContent:
    content = prepare(answer("Yes.", *attachments), contact, INTERNAL)
    assert isinstance(content, RelayContent)
    return content


def test_nothing_of_a_nasty_mail_says_who_answered():
    content = prepare(parse(NASTY), CONTACT, INTERNAL)
    assert isinstance(content, RelayContent)
    raw = build(
        OutgoingMail(
            sender=Address("Acme Support", "support@acme.example"),
            reply_to=None,
            to=Address("Customer", "customer@home.example"),
            subject="Re: Invoice",
            date=datetime(2026, 3, 2, tzinfo=UTC),
            message_id="<1@acme.example>",
            in_reply_to=None,
            references=(),
            text=content.text,
            attachments=content.attachments,
            auto_submitted=None,
        )
    )
    mail = message_from_bytes(raw, policy=policy.default)
    seen = [f"{name}: {value}" for part in mail.walk() for name, value in part.items()]
    seen += [part.get_filename() or "" for part in mail.walk()]
    seen += [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    for telling in ("expert", "firm.example", "agent@", TOKEN, "&#64;", "content-id"):
        assert [text for text in seen if telling in text.lower()] == []
    assert [part.get_content_disposition() for part in mail.iter_attachments()] == ["attachment"] * 3
    assert [part.get_filename() for part in mail.iter_attachments()] == [
        "attachment-1.png",
        "attachment-2.pdf",
        "invoice 12.pdf",
    ]


def test_of_a_nasty_mail_the_answer_and_the_files_arrive():
    content = prepare(parse(NASTY), CONTACT, INTERNAL)
    assert isinstance(content, RelayContent)
    assert content.text.startswith("The invoice is right. Ask")
    assert "shop@other.example is fine" in content.text
    assert content.text.endswith("See also page 3.")
    assert [attachment.payload for attachment in content.attachments][1:] == [b"%PDF-", b"%PDF-"]
    assert [note.partition(" was")[0] for note in content.omitted] == ["note.txt", "card.vcf", "old.eml"]


@pytest.mark.parametrize(
    "written",
    [
        "max.expert@firm.example",
        "MAX.Expert@Firm.Example",
        "<max.expert@firm.example>",
        "mailto:max.expert@firm.example",
        "max.expert+invoice@firm.example",
        "max.expert&#64;firm.example",
        "max.expert&commat;firm&#46;example",
        "max.expert%40firm.example",
        "max.expert (at) firm.example",
        "info@firm.example",
        "info@mail.firm.example",
        "reply@acme.example",
        f"reply+{TOKEN}@acme.example",
        "Agent@acme.example",
        "href=max.expert@firm.example",
        "a/max.expert@firm.example",
    ],
)
def test_the_contacts_and_our_addresses_leave_the_text(written):
    text = relayed(f"Write to {written}, please.").lower()
    assert text.startswith("write to")
    assert text.endswith(", please.")
    assert not any(word in text for word in ("firm", "reply", "agent", "acme", TOKEN))


@pytest.mark.parametrize(
    "written", ["shop@other.example", "info@notfirm.example", "a@firm.example.org", "x@acme.example"]
)
def test_other_peoples_addresses_stay(written):
    assert relayed(f"Write to <{written}>.") == f"Write to <{written}>."


def test_a_freemail_neighbour_is_a_stranger():
    contact = Address("", "max.expert@gmail.com")
    text = relayed("Not max.expert+a@gmail.com but other@gmail.com.", contact, sender="max.expert@gmail.com")
    assert text == "Not  but other@gmail.com."
    assert relayed("Ask max.expert@gmail.com.", contact, sender="max.expert@gmail.com") == "Ask ."


def test_a_colleague_who_answers_is_not_recognised_either():
    text = relayed("Yes.\n\nKind regards\nPat Helper\npat@firm.example", sender="Pat Helper <pat@firm.example>")
    assert text == "Yes."


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_address_never_survives_whatever_stands_around_it(before, after):
    content = prepare(answer(f"{before} max.expert@firm.example {after}"), CONTACT, INTERNAL)
    assert isinstance(content, RelayRefusal) or "max.expert@firm.example" not in content.text.lower()


@pytest.mark.parametrize(
    "name",
    [
        "max.expert@firm.example.pdf",
        "Report by MAX.EXPERT.pdf",
        "firm.example-offer.pdf",
        "Offer_Firm.pdf",
        "Gutachten Expert.pdf",
        "offer-\N{FULLWIDTH LATIN CAPITAL LETTER M}ax.pdf",
        "max%2Eexpert%40firm.pdf",
    ],
)
def test_a_file_name_that_tells_is_replaced_and_keeps_its_ending(name):
    (attachment,) = kept(file(name)).attachments
    assert (attachment.name, attachment.payload) == ("attachment-1.pdf", b"payload")


def test_accents_do_not_hide_a_name():
    contact = Address("René Müller", "rm@firm.example")
    names = [kept(file(name), contact=contact).attachments[0].name for name in ("rene.pdf", "MÜLLER.pdf", "muller.pdf")]
    assert names == ["attachment-1.pdf"] * 3


def test_an_ending_that_tells_goes_too():
    assert kept(file("offer.expert")).attachments[0].name == "attachment-1"


def test_a_harmless_file_keeps_its_name_and_is_no_longer_inline():
    sent = Attachment("invoice 12.pdf", "application/pdf", b"payload", True, "part1.max.expert@firm.example")
    assert kept(sent).attachments == (file("invoice 12.pdf"),)


@pytest.mark.parametrize(
    "attachment",
    [
        file("a.vcf", "text/vcard"),
        file("a.vcf", "application/octet-stream"),
        file("a.vcf", "text/x-vcard"),
        file("a.eml", "message/rfc822"),
        file("a.msg", "application/octet-stream"),
        file("a", "text/rfc822-headers"),
        file("a.p7s", "application/pkcs7-signature"),
        file("a.asc", "application/pgp-signature"),
        file("a.asc", "application/pgp-keys"),
        file("winmail.dat", "application/ms-tnef"),
        file("a.txt", "text/plain", inline=True),
        file("a.html", "text/html", inline=True),
    ],
    ids=lambda attachment: f"{attachment.name} {attachment.content_type}",
)
def test_files_that_say_who_wrote_them_are_left_out_with_a_note(attachment):
    content = kept(attachment)
    assert content.attachments == ()
    assert content.omitted[0].startswith(f"{attachment.name} was not relayed: ")


@pytest.mark.parametrize(
    "types",
    [
        ("multipart/signed", "text/plain", "application/pkcs7-signature"),
        ("multipart/encrypted", "application/pgp-encrypted", "application/octet-stream"),
        ("multipart/mixed", "multipart/encrypted"),
        ("application/pkcs7-mime",),
        ("application/x-pkcs7-mime",),
    ],
)
def test_a_signed_or_encrypted_mail_is_for_a_person(types):
    assert refused(answer("Yes.", types=types)) is Refusal.SIGNED_OR_ENCRYPTED


def test_inline_pgp_is_for_a_person():
    text = "-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----"
    assert refused(answer(text)) is Refusal.SIGNED_OR_ENCRYPTED


@pytest.mark.parametrize(
    "text", ["", " \n", "> old", "Kind regards\nMax Expert", "max.expert@firm.example", "-- \nMax Expert"]
)
def test_an_answer_without_words_or_files_is_for_a_person(text):
    assert prepare(answer(text), CONTACT, INTERNAL) == RelayRefusal(Refusal.EMPTY_ANSWER)
    assert Refusal.EMPTY_ANSWER == "empty-answer"


def test_a_file_alone_is_an_answer():
    content = prepare(answer("", file("plan.pdf")), CONTACT, INTERNAL)
    assert isinstance(content, RelayContent)
    assert (content.text, len(content.attachments)) == ("", 1)


@pytest.mark.parametrize(
    "block", ["a", "a.", "@", "a@", "<a@firm.example>", "&#64;", "%40", "mailto:", "a (at) ", "+", "("]
)
def test_a_megabyte_of_anything_takes_no_more_than_its_share(block):
    message = answer(block * (1_000_000 // len(block)))
    begin = time.process_time()
    prepare(message, CONTACT, INTERNAL)
    # Quadratic work would take minutes here.
    assert time.process_time() - begin < 10


def refused(message: Message, **policy: object) -> Refusal | None:
    """Why the answer is not relayed under this policy; None if it is."""
    content = prepare(message, CONTACT, INTERNAL, RelayPolicy.model_validate(policy))
    return content.reason if isinstance(content, RelayRefusal) else None


PDF = Attachment("offer.pdf", "application/pdf", b"x" * 100, inline=False, content_id=None)
MOVIE = replace(PDF, name="tour.mp4", content_type="video/mp4")
SEALED = replace(PDF, name="smime.p7m", content_type="application/pkcs7-mime")


@pytest.mark.parametrize(
    ("policy", "relayed", "omitted"),
    [
        ({}, ["offer.pdf", "tour.mp4"], 0),
        ({"attachments": False}, [], 2),
        ({"refused_types": ["video/*"]}, ["offer.pdf"], 1),
        ({"refused_types": ["application/pdf"]}, ["tour.mp4"], 1),
    ],
    ids=["all", "none", "group", "type"],
)
def test_files_go_along_as_the_policy_says_and_the_case_names_the_others(policy, relayed, omitted):
    message = replace(answer("Yes."), body=replace(answer("Yes.").body, attachments=(PDF, MOVIE)))
    content = prepare(message, CONTACT, INTERNAL, RelayPolicy.model_validate(policy))
    assert isinstance(content, RelayContent)
    assert ([a.name for a in content.attachments], len(content.omitted)) == (relayed, omitted)


def test_more_bytes_of_files_than_the_policy_allows_are_for_a_person():
    message = replace(answer("Yes."), body=replace(answer("Yes.").body, attachments=(PDF, MOVIE)))
    assert refused(message, most_bytes=200) is None
    assert refused(message, most_bytes=199) is Refusal.ATTACHMENTS


@pytest.mark.parametrize(
    ("types", "key"),
    [(("multipart/signed",), "signed"), (("multipart/encrypted",), "encrypted")],
    ids=["signed", "encrypted"],
)
def test_a_policy_passes_sealed_answers_of_the_kind_it_names(types, key):
    other = {"signed": "encrypted", "encrypted": "signed"}[key]
    assert refused(answer("Yes.", types=types), **{key: "pass"}) is None
    assert refused(answer("Yes.", types=types), **{other: "pass"}) is Refusal.SIGNED_OR_ENCRYPTED


def test_an_encrypted_answer_that_passes_keeps_what_is_encrypted():
    message = answer("", types=("application/pkcs7-mime",))
    message = replace(message, body=replace(message.body, attachments=(SEALED,)))
    content = prepare(message, CONTACT, INTERNAL, RelayPolicy.model_validate({"encrypted": "pass"}))
    assert isinstance(content, RelayContent)
    assert [a.payload for a in content.attachments] == [SEALED.payload]
