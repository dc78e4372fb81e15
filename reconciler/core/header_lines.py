"""Knows how to cut the header block of a message or part into its fields; knows names only to tell junk from them.

Python's own parser ends the headers at the first line it does not like, and everything behind becomes body: a person's
program does not, and what it shows is what the sender meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIELDS_LIMIT = 5000
_STRAY_LINES = 5

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_END = re.compile(rb"(?:\A|(?:\r\n|\r(?!\n)|\n))[ \t]*(?:\r\n|\r|\n)")
_KNOWN = re.compile(
    rb"(?:Return-Path|Received|Delivered-To|X-Original-To|Envelope-To|From|To|Cc|Bcc|Subject|Date|Message-ID|MIME-Version"
    rb"|Content-(?:Type|Transfer-Encoding|Disposition|ID|Description|Language)|Sender|Reply-To|References|In-Reply-To"
    rb"|X-[!-9;-~]{1,60}|DKIM-Signature|Authentication-Results|Importance|Priority|Auto-Submitted|Precedence"
    rb"|List-[A-Za-z]{1,20}|Thread-[A-Za-z]{1,10}|User-Agent|Organization)[ \t]*:",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The fields as (name as written, raw value with its line ends), and where the body begins."""

    fields: tuple[tuple[str, str], ...]
    body: int
    unseparated: bool


def is_known_field(line: bytes) -> bool:
    """Whether a line begins with the name of a header that mails have, so that it is none by accident."""
    return _KNOWN.match(line) is not None


def cut_headers(data: bytes, limit: int) -> HeaderBlock:
    """The header block at the start of `data`, of which at most `limit` bytes are read.

    A stray line, or one of nothing but blanks, does not end it while a known header follows closely: then somebody
    folded a value without indenting it. Bytes above 127 become surrogates (PEP 383).
    """
    end, body = _block_end(data, limit)
    fields: list[tuple[str, list[bytes]]] = []
    lines = data[:end].splitlines(keepends=True)
    position = 0
    for number, line in enumerate(lines):
        found = _FIELD.match(line)
        if line[0] in b" \t" and fields:
            fields[-1][1].append(line)
        elif found:
            if len(fields) < _FIELDS_LIMIT:
                fields.append((found.group(1).decode("ascii"), [line[found.end() :]]))
        elif fields and any(is_known_field(following) for following in lines[number + 1 : number + 1 + _STRAY_LINES]):
            fields[-1][1].append(b" " + line)
        elif number or not any(is_known_field(following) for following in lines[1 : 1 + _STRAY_LINES]):
            return HeaderBlock(_decoded(fields), position, unseparated=True)
        position += len(line)
    return HeaderBlock(_decoded(fields), body, unseparated=False)


def _block_end(data: bytes, limit: int) -> tuple[int, int]:
    """Where the header block ends and where the body begins."""
    window = data[:limit]
    for blank in _END.finditer(window):
        following = window[blank.end() : blank.end() + 120]
        only_blanks = b" " in blank.group() or b"\t" in blank.group()
        if not (only_blanks and is_known_field(following)):
            start = blank.start()
            return (start, blank.end()) if start == 0 else (start + len(_line_end(window, start)), blank.end())
    if len(data) > limit:
        cut = max(window.rfind(b"\n"), window.rfind(b"\r")) + 1
        return cut or limit, cut or limit
    return len(window), len(window)


def _line_end(data: bytes, position: int) -> bytes:
    return b"\r\n" if data.startswith(b"\r\n", position) else data[position : position + 1]


def _decoded(fields: list[tuple[str, list[bytes]]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, b"".join(lines).strip(b"\r\n").decode("ascii", "surrogateescape")) for name, lines in fields)
