"""Files inside a text or a winmail.dat, and HTML made harmless."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.message import parse
from reconciler.core.safe_html import safe_html
from reconciler.core.tnef import read_tnef

UU = "before\nbegin 644 data.bin\n#0V%T\n`\nend\nafter\n"


def _attribute(number: int, value: bytes) -> bytes:
    return struct.pack("<BHHI", 2, number, 0, len(value)) + value + b"\0\0"


def _property(kind: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHII", kind, number, 1, len(value)) + value + b"\0" * (-len(value) % 4)


def _tnef(*attributes: bytes) -> bytes:
    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(attributes)


_FILE = (
    _attribute(0x9002, b"\0" * 14),
    _attribute(0x8010, b"REPORT~1.PDF\0"),
    _attribute(0x800F, b"%PDF"),
    _attribute(
        0x9005,
        struct.pack("<IHHi", 2, 0x0003, 0x370B, -1) + _property(0x001F, 0x3707, "Prüfung.pdf\0".encode("utf-16-le")),
    ),
)
_WINMAIL = _tnef(_attribute(0x800C, b"Hello\r\nthere\0"), *_FILE)


def _mail(content_type: str, payload: bytes) -> bytes:
    return b"From: a@x.example\nSubject: s\nContent-Type: " + content_type.encode() + b"\n\n" + payload


def test_a_uuencoded_file_in_the_text_is_an_attachment() -> None:
    body = parse(_mail("text/plain", UU.encode())).body
    assert body.text == "before\nafter"
    assert [(a.name, a.payload) for a in body.attachments] == [("data.bin", b"Cat")]


@pytest.mark.parametrize("text", ["begin 644 of the week\nwe start\nend", "begin here\nend", "x\nbegin 644 a\n#0V%T\n"])
def test_a_text_that_only_begins_like_one_stays_whole(text: str) -> None:
    body = parse(_mail("text/plain", text.encode())).body
    assert (body.text, body.attachments) == (text.strip("\n"), ())


@pytest.mark.parametrize("content_type", ["application/ms-tnef", 'application/octet-stream; name="WINMAIL.DAT"'])
def test_a_winmail_dat_gives_its_text_and_its_files_under_their_long_names(content_type: str) -> None:
    body = parse(_mail(content_type, _WINMAIL)).body
    assert body.text == "Hello\nthere"
    assert [(a.name, a.payload) for a in body.attachments] == [("Prüfung.pdf", b"%PDF")]


def test_what_only_says_to_be_a_winmail_dat_is_kept_as_it_is() -> None:
    body = parse(_mail("application/ms-tnef; name=winmail.dat", b"no tnef")).body
    assert [(a.name, a.payload) for a in body.attachments] == [("winmail.dat", b"no tnef")]


def test_a_damaged_winmail_dat_gives_what_stands_before_the_damage() -> None:
    found = read_tnef(_WINMAIL[: _WINMAIL.index(b"%PDF") + 2])
    assert found is not None
    assert (found.text, found.files) == ("Hello\r\nthere", (("REPORT~1.PDF", b"%P"),))


def test_the_body_of_a_winmail_dat_may_be_a_property() -> None:
    found = read_tnef(_tnef(_attribute(0x9003, struct.pack("<I", 1) + _property(0x0102, 0x1013, b"<p>Hi</p>"))))
    assert found is not None
    assert found.html == "<p>Hi</p>"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_tnef_reader_raise(data: bytes) -> None:
    read_tnef(_tnef(data))
    read_tnef(_tnef(_attribute(0x9003, data), _attribute(0x9002, b""), _attribute(0x9005, data)))


@pytest.mark.field("script", "SVG")
@pytest.mark.parametrize(
    ("html", "safe"),
    [
        ("<b onclick=x>a</b>", "<b>a</b>"),
        ("<script>x</script><style>y</style>z", "z"),
        ("<svg><script>x</script></svg>a", "a"),
        ("<iframe src=https://x.example></iframe><form><input></form>a", "a"),
        ('<a href="JaVaScRiPt:x">a</a>', '<a rel="noopener noreferrer nofollow">a</a>'),
        ('<img src="https://t.example/p.gif"><img src="CID:logo">', '<img><img src="CID:logo">'),
        ('<img src="data:image/svg+xml,x">', "<img>"),
        ("<p style='background:url(https://t.example)'>a</p>", "<p>a</p>"),
        ("<div>" * 150 + "<b>a</b> &lt;script&gt;", "<pre>a &lt;script&gt;</pre>"),
        ("x" * 600_000, f"<pre>{'x' * 600_000}</pre>"),
    ],
    ids=lambda value: value[:30],
)
def test_html_is_harmless(html: str, safe: str) -> None:
    assert safe_html(html) == safe
