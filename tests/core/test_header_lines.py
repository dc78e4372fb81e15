"""Header blocks as broken programs write them, and multiparts without their boundary."""

from __future__ import annotations

import pytest

from reconciler.core.header_lines import cut_headers
from reconciler.core.message import parse


@pytest.mark.parametrize(
    ("block", "fields", "body"),
    [
        (b"A: 1\nB: 2\n\nText", [("A", " 1"), ("B", " 2")], b"Text"),
        (b"A: 1\r\nB: 2\r\n\r\nText", [("A", " 1"), ("B", " 2")], b"Text"),
        (b"A: 1\rB: 2\r\rText", [("A", " 1"), ("B", " 2")], b"Text"),
        (b"A: 1\r\nB: 2\n\rText", [("A", " 1"), ("B", " 2")], b"Text"),
        (b"\nText", [], b"Text"),
        (b"A: 1", [("A", " 1")], b""),
        (b"A : 1\nB\t:2\n\nText", [("A", " 1"), ("B", "2")], b"Text"),
        (b"A: 1\n 2\n\t3\n\nText", [("A", " 1\n 2\n\t3")], b"Text"),
        (
            b"Subject: long\nsubject line\nFrom: x\n\nText",
            [("Subject", " long\n subject line"), ("From", " x")],
            b"Text",
        ),
        (b"Subject: s\n \nFrom: x\n\nText", [("Subject", " s\n "), ("From", " x")], b"Text"),
        (b"Subject: s\n \nNote: x\n\nText", [("Subject", " s")], b"Note: x\n\nText"),
        (b"A: 1\nText without blank line\nmore", [("A", " 1")], b"Text without blank line\nmore"),
        (b"A: \xfc\n\n", [("A", " \udcfc")], b""),
    ],
)
def test_a_header_block_is_cut_where_a_person_would(block: bytes, fields: list[tuple[str, str]], body: bytes) -> None:
    found = cut_headers(block, 10_000)
    assert (list(found.fields), block[found.body :]) == (fields, body)


def test_a_header_block_beyond_the_limit_ends_at_a_line() -> None:
    found = cut_headers(b"A: 1\n" * 100, 52)
    assert (len(found.fields), found.body) == (10, 50)


_PART = b"--x\nContent-Type: text/plain\n\nHello\n--x\nContent-Type: application/pdf\n\n%PDF\n--x--\n"


@pytest.mark.parametrize("stated", [b"", b"; boundary=", b"; boundary=other", b'; boundary="x'])
def test_a_boundary_that_is_missing_or_wrong_is_found_by_what_it_parts(stated: bytes) -> None:
    body = parse(b"From: a@x.example\nContent-Type: multipart/mixed" + stated + b"\n\n" + _PART).body
    assert (body.text, [a.payload for a in body.attachments]) == ("Hello", [b"%PDF"])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"SGVsbG8=\n\nfooter, not base64!", "Hello"),
        (b"SGVs\nbG8", "Hello"),
        (b"SGVsbG8*\n", "Hello"),
        (b"", ""),
    ],
)
def test_damaged_base64_gives_what_it_holds(data: bytes, text: str) -> None:
    raw = b"From: a@x.example\nContent-Transfer-Encoding: BASE64\n\n" + data
    assert parse(raw).body.text.startswith(text)


def test_parts_after_a_delimiter_that_closed_too_early_are_kept() -> None:
    raw = _PART.replace(b"Hello\n--x\n", b"Hello\n--x--\nignored\n--x\n")
    body = parse(b"From: a@x.example\nContent-Type: multipart/mixed; boundary=x\n\n" + raw).body
    assert [a.payload for a in body.attachments] == [b"%PDF"]


def test_a_boundary_is_a_whole_line() -> None:
    raw = b"From: a@x.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nA --x\n--xy\nB\n--x--"
    assert parse(raw).body.text == "A --x\n--xy\nB"
