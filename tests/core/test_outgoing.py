from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import Address
from reconciler.core.attachment import Attachment
from reconciler.core.errors import Invalid, Unsafe
from reconciler.core.message import parse
from reconciler.core.outgoing import OutgoingMail, build, one_line, strip_foreign_tokens, subaddressed, violations

TOKEN = "k2" + "a" * 32
FOREIGN = "k2" + "b" * 32
MAIL = OutgoingMail(
    sender=Address("Acme Support", "support@acme.example"),
    reply_to=Address("Acme Support", f"reply+{TOKEN}@acme.example"),
    to=Address("Customer", "customer@home.example"),
    subject="Re: Invoice 7",
    date=datetime(2026, 3, 1, 12, 30, 5, 999, tzinfo=UTC),
    message_id=f"<{TOKEN}.h0.desk@acme.example>",
    in_reply_to="<one@home.example>",
    references=("<zero@home.example>", "<one@home.example>"),
    text="Hello\nthere\n",
    attachments=(),
    auto_submitted=None,
)
PDF = Attachment("Invoice 7.pdf", "application/pdf", bytes(range(256)) * 20, inline=False, content_id=None)
anything = st.text(st.characters(), max_size=200)


def read(mail: OutgoingMail):
    return message_from_bytes(build(mail), policy=policy.default)


def test_a_plain_mail_stands_on_the_wire_as_written():
    assert build(MAIL).decode() == (
        "From: Acme Support <support@acme.example>\r\n"
        f"Reply-To: Acme Support\r\n <reply+{TOKEN}@acme.example>\r\n"
        "To: Customer <customer@home.example>\r\n"
        "Subject: Re: Invoice 7\r\n"
        "Date: Sun, 01 Mar 2026 12:30:05 +0000\r\n"
        f"Message-ID: <{TOKEN}.h0.desk@acme.example>\r\n"
        "In-Reply-To: <one@home.example>\r\n"
        "References: <zero@home.example> <one@home.example>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hello\r\nthere\r\n"
    )


def test_equal_mails_give_equal_bytes():
    mail = replace(MAIL, attachments=(PDF,))
    assert build(mail) == build(replace(mail))


@given(name=anything, subject=anything, text=anything, file_name=anything, media_type=anything, reference=anything)
def test_no_text_whatever_breaks_a_rule_of_the_wire(name, subject, text, file_name, media_type, reference):
    mail = replace(
        MAIL,
        sender=Address(name, "support@acme.example"),
        subject=subject,
        text=text,
        in_reply_to=reference,
        references=(reference, "<one@home.example>"),
        attachments=(Attachment(file_name, media_type, text.encode("utf-8", "replace"), True, reference),),
    )
    raw = build(mail)
    assert violations(raw) == ()
    head = message_from_bytes(raw)
    assert {key.lower() for key in head.keys()} <= {  # noqa: SIM118
        *("from", "reply-to", "to", "subject", "date", "message-id", "in-reply-to", "references"),
        *("mime-version", "content-type"),
    }


@given(name=anything, subject=anything)
def test_what_was_said_is_what_is_read(name, subject):
    head = parse(build(replace(MAIL, sender=Address(name, "support@acme.example"), subject=subject))).head
    assert head.subject == one_line(subject)
    assert head.sender is not None
    assert head.sender.address == "support@acme.example"


@pytest.mark.parametrize(
    "name",
    [
        "Acme, Inc. (Support)",
        'The "Desk" two',
        "Größe Ümläut",
        "a@b.example",
        "=?utf-8?q?x?=",
        "back\\slash",
        "名前" * 60,
    ],
)
def test_display_names_survive(name):
    assert parse(build(replace(MAIL, sender=Address(name, "support@acme.example")))).head.sender.name == name


@pytest.mark.parametrize(
    "text", ["Grüße\n", "x" * 5000, "From here\n.\n", "=_x", "trailing \t\n", "a\u2028b", "日本" * 999]
)
def test_the_text_survives(text):
    assert parse(build(replace(MAIL, text=text))).body.text.rstrip() == text.rstrip()


def test_line_ends_are_made_one_and_controls_go():
    assert read(replace(MAIL, text="a\rb\r\nc\x00d\x1b[1m\n")).get_content() == "a\r\nb\r\ncd[1m\r\n"


@pytest.mark.parametrize("header", ["subject", "name", "file"])
def test_a_header_cannot_be_injected(header):
    evil = "x\r\nBcc: all@home.example\r\n\r\n<b>\u2028Bcc: y\x00"
    mail = {
        "subject": replace(MAIL, subject=evil),
        "name": replace(MAIL, to=Address(evil, "customer@home.example")),
        "file": replace(MAIL, attachments=(replace(PDF, name=evil),)),
    }[header]
    assert read(mail)["Bcc"] is None
    assert b"\r\nBcc" not in build(mail)


def test_bidirectional_overrides_leave_headers_and_file_names():
    mail = replace(MAIL, subject="a\u202eb", attachments=(replace(PDF, name="fdp\u202egpj.exe"),))
    parsed = read(mail)
    assert parsed["Subject"] == "ab"
    assert next(parsed.iter_attachments()).get_filename() == "fdpgpj.exe"


@pytest.mark.parametrize(
    "address",
    ["no-at", "a b@x.example", "a@x.example\r\nBcc: b@x.example", "<a@x.example>", "", "ü@x.example", "a@ü..x"],
)
def test_an_address_that_cannot_be_written_is_refused(address):
    with pytest.raises(Invalid):
        build(replace(MAIL, to=Address("", address)))


def test_an_international_domain_is_written_in_ascii():
    assert b"To: a@xn--mller-kva.example\r\n" in build(replace(MAIL, to=Address("", "a@müller.example")))


@pytest.mark.parametrize("message_id", ["", "x@y.example", "<a b@x.example>", "<a@x.example>\r\nX: y"])
def test_a_message_id_that_is_none_is_refused(message_id):
    with pytest.raises(Invalid):
        build(replace(MAIL, message_id=message_id))


def test_a_long_thread_keeps_its_first_and_its_last_mails():
    references = tuple(f"<{number}@home.example>" for number in range(100))
    kept = read(replace(MAIL, references=references))["References"].split()
    assert kept == [references[0], *references[-20:]]


def test_attachments_keep_bytes_names_and_types_and_are_never_inline():
    names = ["Invoice 7.pdf", "Größe.pdf", "a;b\"c'.pdf", "名前" * 50 + ".pdf"]
    files = tuple(replace(PDF, name=name, inline=True, content_id="expert@firm.example") for name in names)
    parsed = read(replace(MAIL, attachments=files))
    found = list(parsed.iter_attachments())
    assert [part.get_content() for part in found] == [PDF.payload] * 4
    assert [part.get_content_type() for part in found] == ["application/pdf"] * 4
    assert [part.get_content_disposition() for part in found] == ["attachment"] * 4
    assert [part.get_filename() for part in found[:3]] == names[:3]
    assert (found[3].get_filename() or "").endswith(".pdf")
    assert b"content-id" not in build(replace(MAIL, attachments=files)).lower()


@pytest.mark.parametrize(
    "media_type", ["message/rfc822", "multipart/mixed", "text/html\r\nX: y", "", "text/plain; a=b"]
)
def test_a_type_that_may_not_stand_there_becomes_bytes(media_type):
    (part,) = read(replace(MAIL, attachments=(replace(PDF, content_type=media_type),))).iter_attachments()
    assert (part.get_content_type(), part.get_content()) == ("application/octet-stream", PDF.payload)


def test_a_text_cannot_close_its_own_part():
    boundary = read(replace(MAIL, attachments=(PDF,))).get_boundary()
    text = f"before\n--{boundary}--\nafter\n"
    parsed = read(replace(MAIL, text=text, attachments=(PDF,)))
    assert parsed.get_body().get_content() == text.replace("\n", "\r\n")
    assert len(list(parsed.iter_attachments())) == 1


def test_only_the_words_of_rfc_3834_stand_in_auto_submitted():
    assert read(replace(MAIL, auto_submitted="auto-generated"))["Auto-Submitted"] == "auto-generated"
    with pytest.raises(Invalid):
        build(replace(MAIL, auto_submitted="no\r\nX: y"))


def test_a_token_of_another_purpose_leaves_every_part():
    text = f"write to reply+{FOREIGN}@acme.example or reply+{TOKEN}@acme.example, <{FOREIGN}.h1.desk@acme.example>"
    note = Attachment(f"reply+{FOREIGN}@acme.example.txt", "text/plain", text.encode(), False, None)
    mail = replace(MAIL, text=text, subject=text, sender=Address(text, "support@acme.example"), attachments=(note,))
    parsed = parse(build(mail))
    read_back = [parsed.head.subject, parsed.head.sender.name, parsed.body.text, parsed.body.attachments[0].name]
    read_back.append(parsed.body.attachments[0].payload.decode())
    assert all(FOREIGN not in part for part in read_back)
    assert f"reply+{TOKEN}@acme.example" in parsed.body.text
    assert "write to reply@acme.example" in parsed.body.text


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        (f"reply+{FOREIGN}@acme.example", "reply@acme.example"),
        (f"reply-{FOREIGN.upper()}@acme.example", "reply@acme.example"),
        (f"mailto:reply%2B{FOREIGN}%40acme.example", "mailto:reply%40acme.example"),
        (f"reply+{FOREIGN}+{FOREIGN}@acme.example", "reply@acme.example"),
        (f"reply+{FOREIGN}+{TOKEN}@acme.example", f"reply+{TOKEN}@acme.example"),
        (f"<{FOREIGN}.h3.desk-1@acme.example>", "<[removed]>"),
        (f"<{FOREIGN}.h3.desk+{FOREIGN}@acme.example>", "<[removed]>"),
        (f"<{TOKEN}.h3.desk-1@acme.example>", f"<{TOKEN}.h3.desk-1@acme.example>"),
        (f"no address: +{FOREIGN}", f"no address: +{FOREIGN}"),
    ],
)
def test_foreign_tokens_are_stripped_and_own_ones_stay(text, stripped):
    assert strip_foreign_tokens(text, frozenset({TOKEN})) == stripped


@given(st.lists(st.sampled_from(["+", "-", "@", FOREIGN, TOKEN, ".h1.", "desk", "<", ">", " ", "x"]), max_size=30))
def test_stripping_leaves_nothing_to_strip(pieces):
    once = strip_foreign_tokens("".join(pieces), frozenset({TOKEN}))
    assert strip_foreign_tokens(once, frozenset({TOKEN})) == once


@pytest.mark.parametrize("delimiter", ["+", "-"])
def test_a_token_goes_before_the_at(delimiter):
    assert subaddressed("reply@acme.example", delimiter, TOKEN) == f"reply{delimiter}{TOKEN}@acme.example"


def test_without_subaddressing_the_address_stays():
    assert subaddressed("reply@acme.example", None, TOKEN) == "reply@acme.example"


def test_a_local_part_of_more_than_64_characters_is_refused():
    assert subaddressed("a" * 29 + "@acme.example", "+", TOKEN)
    with pytest.raises(Invalid, match="29 characters"):
        subaddressed("a" * 30 + "@acme.example", "+", TOKEN)


GOOD = build(MAIL)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (GOOD + b"a\nb", "bare LF"),
        (GOOD + b"a\rb", "bare CR"),
        (GOOD + b"a\0b", "NUL"),
        (GOOD + b"\xc3\xbc", "above 127"),
        (GOOD + b"x" * 999, "998"),
        (b"From: a\r\n", "end of the headers"),
        (GOOD.replace(b"Subject:", b"Subject :"), "header that is none"),
        (b"X\r\n" + GOOD, "header that is none"),
        (b"From: a@b.example\r\n" + GOOD, "from does not stand there once"),
        (GOOD.replace(b"Date:", b"X-Date:"), "date does not stand there once"),
        (GOOD.replace(b"Invoice", b"In\x1bvoice"), "header that is none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_violation_is_named(raw, said):
    assert any(said in violation for violation in violations(raw))


def test_unsafe_is_what_the_last_gate_raises(monkeypatch):
    monkeypatch.setattr("reconciler.core.outgoing.MOST_LINE_BYTES", 10)
    with pytest.raises(Unsafe, match="not built cleanly"):
        build(MAIL)
