"""Reading mails: headers, text, attachments, and what hostile bytes must not do."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import mailboxes
from reconciler.core.attachment import safe_file_name
from reconciler.core.charset import decode_text
from reconciler.core.htmltext import html_to_text
from reconciler.core.kind import classify
from reconciler.core.message import Address, Head, parse, parse_head


def _head(*lines: str | bytes) -> Head:
    return parse_head(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n\nText\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a@x.example", [("", "a@x.example")]),
        ("Expert <a@x.example>", [("Expert", "a@x.example")]),
        ('"Expert, A" <a@x.example>, B <b@y.example>', [("Expert, A", "a@x.example"), ("B", "b@y.example")]),
        ("Expert, First <a@x.example>", [("Expert, First", "a@x.example")]),
        ("a@x.example (Expert)", [("Expert", "a@x.example")]),
        ("Group: a@x.example, b@x.example;", [("", "a@x.example"), ("", "b@x.example")]),
        ("a@x.example; b@x.example", [("", "a@x.example"), ("", "b@x.example")]),
        ("undisclosed-recipients:;", []),
        ("MAILER-DAEMON (Mail Delivery System)", []),
        ('"boss@company.example" <a@x.example>', [("boss@company.example", "a@x.example")]),
        ("=?utf-8?q?boss=40y=2Eexample=2C?= <a@x.example>", [("boss@y.example,", "a@x.example")]),
        ("=?utf-8?q?Expert_=3Ca=40x=2Eexample=3E?=", [("Expert", "a@x.example")]),
        ('"Expert <a@x.example>', [("Expert", "a@x.example")]),
        ("<@relay.example:a@x.example>", [("", "a@x.example")]),
        ("mailto:a@x.example", [("", "a@x.example")]),
        ("a@x.example)b@y.example", []),
        ("a@x.example b@y.example", []),
        ('"first last"@x.example', [("", '"first last"@x.example')]),
        ("<a@x.example\x00>", []),
        ("", []),
    ],
)
def test_mailboxes_are_read_as_people_and_programs_write_them(line: str, expected: list[tuple[str, str]]) -> None:
    assert [(box.name, box.address) for box in mailboxes(line)] == expected


def test_a_key_is_the_mailbox_without_case_and_subaddress() -> None:
    assert Address("", "Reply+Token@X.Example").key == "reply@x.example"
    assert Address("", "+Token@X.Example").key == "+token@x.example"
    assert Address("", "A@X.Example").domain == "x.example"
    assert (Address("", "").key, Address("", "").domain) == ("", "")


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?b?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        (b"=?utf-8?q?Gr=C3?=\n =?utf-8?q?=BC=C3=9Fe?=", "Grüße"),
        (b"=?ISO-8859-1?Q?Gr=FC=DFe?= an =?utf-8?q?alle?=", "Grüße an alle"),
        (b"=?utf-8?q?was ist das??=", "was ist das?"),
        (b"AW:=?utf-8?q?Gr=C3=BC=C3=9Fe?=!", "AW:Grüße!"),
        (b"=?nonsense?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("cp1252"), "Grüße"),
        (b"one\n two\n\tthree", "one two three"),
        (b"=?utf-8?q?a=0D=0ABcc:_x=40y=2Eexample?=", "a  Bcc: x@y.example"),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"", ""),
    ],
)
def test_a_subject_is_decoded_to_one_line(written: bytes, subject: str) -> None:
    assert _head(b"Subject: " + written).subject == subject


def test_a_head_knows_its_headers_by_meaning() -> None:
    head = _head(
        "Return-Path: <a@x.example>",
        "Delivered-To: box@y.example",
        "X-Original-To: reply+t@y.example",
        "From: Expert <a@x.example>",
        "Reply-To: b@x.example",
        "To: Service <reply@y.example>",
        "CC: c@x.example, d@x.example",
        "Date: Tue, 3 Mar 2026 09:41:05 +0100",
        "Message-ID: <1@x.example>",
        "In-Reply-To: Your message of Monday <0@y.example>",
        "References: <a@y.example>\n <0@y.\n example>",
    )
    assert head.sender == Address("Expert", "a@x.example")
    assert [box.address for box in (*head.reply_to, *head.to)] == ["b@x.example", "reply@y.example"]
    assert [box.address for box in head.cc] == ["c@x.example", "d@x.example"]
    assert head.delivered_to == ("box@y.example", "reply+t@y.example")
    assert head.return_path == "a@x.example"
    assert head.date == datetime(2026, 3, 3, 9, 41, 5, tzinfo=timezone(timedelta(hours=1)))
    assert (head.message_id, head.in_reply_to) == ("<1@x.example>", ("<0@y.example>",))
    assert head.references == ("<a@y.example>", "<0@y.example>")
    assert head.first("CC") == "c@x.example, d@x.example"
    assert head.all("x-none") == ()


@pytest.mark.parametrize(("line", "path"), [("X: y", None), ("Return-Path: <>", ""), ("Return-Path:", None)])
def test_a_null_sender_is_not_a_missing_one(line: str, path: str | None) -> None:
    assert _head(line).return_path == path


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Tue, 99 Mar 2026 09:41:05 +0100", "Tue, 3 Mar 2026 09:41:05 +99999999", "1" * 5000]
)
def test_an_unreadable_date_is_none(date: str) -> None:
    assert _head(f"Date: {date}").date is None


def test_a_date_without_a_zone_is_taken_as_utc() -> None:
    assert _head("Date: Tue, 3 Mar 2026 09:41:05 -0000").date == datetime(2026, 3, 3, 9, 41, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "junk",
    [
        b"\n\r\n",
        b"\xef\xbb\xbf",
        b"From a@x.example Tue Mar  3 09:41:05 2026\n",
        b">From x\n",
        b"stray text\nmore of it\n",
    ],
    ids=["blank", "bom", "mbox", "escaped-mbox", "stray"],
)
def test_junk_before_the_headers_is_skipped(junk: bytes) -> None:
    message = parse(junk + b"Received: x\nFrom: a@x.example\nSubject: s\n\nText\n")
    assert (message.head.subject, message.body.text) == ("s", "Text")
    assert "junk-before-headers" in message.defects
    assert message.readable


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_any_line_end_will_do(end: bytes) -> None:
    message = parse(end.join([b"From: a@x.example", b"Subject: s", b"", b"one", b"two"]))
    assert (message.head.subject, message.body.text) == ("s", "one\ntwo")


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode(), None, "Grüße"),
        ("Grüße".encode("cp1252"), "utf-8", "Grüße"),
        ("Grüße €".encode("cp1252"), "iso-8859-1", "Grüße €"),
        ("Grüße".encode("cp1252"), "x-unknown", "Grüße"),
        ("Grüße".encode(), "us-ascii", "Grüße"),
        ("日本".encode("shift_jis"), '"Shift_JIS"', "日本"),
        ("日本 Grüße".encode() + b"\xe6", "utf-8", "日本 Grüße\ufffd"),
        (b"\\u0041", "unicode_escape", "\\u0041"),
        (b"abc", "idna", "abc"),
        (b"616263", "hex", "616263"),
        (b"+2AA-", "utf-7", "\ufffd"),
        (b"abc", "utf-16\x00", "abc"),
    ],
)
def test_a_wrong_charset_falls_back(data: bytes, label: str | None, text: str) -> None:
    assert decode_text(data, label) == text


_TREE = b"""From: a@x.example
Subject: s
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=utf-8

Plain
--a
Content-Type: text/html

<p>Rich</p>
--a--
--m
Content-Type: application/PDF; name="=?utf-8?q?Pr=C3=BCfung=2Epdf?="
Content-Disposition: attachment
Content-Transfer-Encoding: base64

JVBERg==
--m
Content-Type: image/png
Content-ID: <logo>
Content-Disposition: inline; filename*=utf-8''l%C3%B6go.png

x
--m
Content-Type: message/rfc822

From: other@x.example
Subject: Enclosed
Message-ID: <enclosed@x.example>

Enclosed text
--m
Content-Type: text/plain

Footer
--m--
"""


def test_a_mail_of_many_parts_is_text_and_attachments() -> None:
    body = parse(_TREE).body
    assert body.text == "Plain\nFooter"
    assert body.html == "<p>Rich</p>"
    assert [(a.name, a.content_type, a.inline, a.content_id) for a in body.attachments] == [
        ("Prüfung.pdf", "application/pdf", False, None),
        ("lögo.png", "image/png", True, "logo"),
        ("Enclosed.eml", "message/rfc822", False, None),
    ]
    assert body.attachments[0].payload == b"%PDF"
    assert body.attachments[2].payload.startswith(b"From: other@x.example\n")


def test_an_enclosed_mail_is_not_looked_into() -> None:
    message = parse(_TREE)
    assert "Enclosed" not in message.body.text
    assert message.head.message_id is None
    assert message.body.report.original is not None
    assert message.body.report.original.message_id == "<enclosed@x.example>"


def test_the_telling_parameters_stand_with_the_types() -> None:
    raw = _TREE.replace(b"multipart/mixed;", b"multipart/REPORT; Report-Type=Delivery-Status;")
    assert parse(raw).body.content_types[:3] == (
        "multipart/report; report-type=delivery-status",
        "multipart/alternative",
        "text/plain",
    )


def test_html_is_read_where_plain_text_says_nothing() -> None:
    assert parse(_TREE.replace(b"\nPlain\n", b"\n \n")).body.text == "Rich\nFooter"


def test_a_multipart_without_its_boundary_is_shown_as_text() -> None:
    message = parse(b"From: a@x.example\nContent-Type: multipart/mixed\n\nHello\n")
    assert message.body.text == "Hello"
    assert "no-boundary-in-multipart" in message.defects


@pytest.mark.parametrize(
    ("raw", "readable"),
    [
        (b"", False),
        (b"\x00\xff\x01", False),
        (b"just text without any header", False),
        (b"From: a@x.example\n\n", False),
        (b"From: a@x.example\nSubject: s\n\n", True),
        (b"From: a@x.example\n\nText", True),
        (b"From: a@x.example\nContent-Type: application/pdf\n\nx", True),
    ],
)
def test_a_mail_is_readable_if_a_person_could_use_it(raw: bytes, readable: bool) -> None:
    assert parse(raw).readable is readable


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Temp\\a.txt", "a.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\r\nb\x00.txt", "ab.txt"),
        ("..", "attachment.pdf"),
        ("", "attachment.pdf"),
        ("con.txt", "_con.txt"),
        ('a<b>"c".txt', "a_b__c_.txt"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("x" * 300, "x" * 120),
    ],
)
def test_a_file_name_is_safe(name: str, safe: str) -> None:
    assert safe_file_name(name, "application/pdf") == safe


@given(st.text())
def test_any_file_name_is_safe(name: str) -> None:
    safe = safe_file_name(name, "x/y")
    assert 1 <= len(safe) <= 120
    assert not any(char in "/\\" or unicodedata.category(char)[0] == "C" for char in safe)
    assert safe not in (".", "..")


_BITS = (
    b'From: |a@b.example|<|>|"|\\|(|=?utf-8?q?|=FC|?=|\n|\r|\n\n|--b|--b--|Content-Type: |multipart/mixed; boundary=b'
    b"|message/rfc822|message/delivery-status|text/html; charset=|Content-Transfer-Encoding: |base64|quoted-printable"
    b"|x-uuencode|Date: |References: |\x00|\xff|filename*0*=|utf-8''%FF|;|begin 644 x|<table><td>|&#|99999|Subject: "
)
_BROKEN_MAIL = st.lists(st.sampled_from(_BITS.split(b"|")), max_size=60).map(b"".join)


@given(st.one_of(st.binary(max_size=400), _BROKEN_MAIL))
def test_no_bytes_make_the_reader_raise_and_all_it_says_can_be_stored(raw: bytes) -> None:
    message = parse(raw)
    classify(message)
    assert message.head == parse_head(raw)
    values = [value for _, value in message.head.fields]
    for text in (message.body.text, message.body.html or "", *values):
        text.encode()
        assert "\x00" not in text
    assert not any(char in value for value in values for char in "\r\n")


_HEAD = b"From: a@x.example\nSubject: s\n"

_HOSTILE = {
    "long content type": _HEAD + b"Content-Type: multipart/mixed" + b';a="' * 6000 + b"\n\nText",
    "escaped quotes": b"From: " + b'"\\' * 100_000 + b"\nSubject: s\n\nText",
    "open comments": b"From: " + b"(" * 200_000 + b"\nSubject: s\n\nText",
    "many commas": b"To: " + b"a," * 100_000 + b"\nSubject: s\n\nText",
    "open words": b"Subject: " + b"=?a?q?" * 40_000 + b"\n\nText",
    "blanks": b"Subject: s" + b" " * 200_000 + b"\n\nText",
    "many headers": b"a: b\n" * 50_000 + b"\nText",
    "deep multiparts": _HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(3000))
    + b"\nText",
    "deep enclosed mails": _HEAD + b"Content-Type: message/rfc822\n\n" * 5000 + b"Text",
    "many parts": _HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nText\n" * 20_000,
    "deep html": _HEAD + b"Content-Type: text/html\n\n" + b"<div>" * 50_000 + b"Text",
    "huge margin": _HEAD + b"Content-Type: text/html\n\n<div style = 'margin-top:99999999em'>Text</div>",
    "padded table": _HEAD + b"Content-Type: text/html\n\n<table><tr><td>" + b"Text " * 40_000 + b"<tr><td>x" * 20_000,
    "open html comments": _HEAD + b"Content-Type: text/html\n\nText" + b"<!--" * 60_000,
    "open html tags": _HEAD + b"Content-Type: text/html\n\nText" + b"<a " * 100_000,
    "huge entity": _HEAD + b"Content-Type: text/html\n\nText" + b"<i>" * 200 + b"&#" + b"9" * 20_000 + b";",
}


@pytest.mark.parametrize("raw", _HOSTILE.values(), ids=_HOSTILE.keys())
@pytest.mark.timeout(20)
def test_a_hostile_mail_is_read_within_bounds(raw: bytes) -> None:
    message = parse(raw)
    classify(message)
    assert len(message.body.text) <= len(raw)
    assert message.body.text or message.body.attachments


def test_a_mail_of_more_than_a_thousand_parts_is_held() -> None:
    message = parse(_HOSTILE["many parts"])
    assert "too-many-parts" in message.defects
    assert not message.readable


def test_a_multipart_too_deep_is_kept_as_one_attachment() -> None:
    message = parse(_HOSTILE["deep multiparts"])
    assert "too-deep" in message.defects
    assert [a.content_type for a in message.body.attachments] == ["multipart/mixed"]
    assert b"Text" in message.body.attachments[0].payload


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<style>p {}</style><p style='display: none'>hidden</p>shown", "shown"),
        ("<!-- x --><b>bold</b> &amp; &lt;plain&gt;", "bold & <plain>"),
        ("<ul><li>x<li>y</ul>", "  * x\n  * y"),
        ("", ""),
    ],
)
def test_html_becomes_readable_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_html_beyond_the_depth_keeps_its_words() -> None:
    assert html_to_text("<div>" * 150 + "<script>x</script>One<br>Two &amp; three").split() == [
        "One",
        "Two",
        "&",
        "three",
    ]
