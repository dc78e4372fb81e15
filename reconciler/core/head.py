"""Knows the headers of a message, decoded and by meaning; knows nothing of its body."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from reconciler.core.address import Address, mailboxes
from reconciler.core.header_lines import cut_headers, is_known_field
from reconciler.core.header_text import decode_words, message_ids, unfold

_HEADERS_LIMIT = 256 * 1024
_JUNK_LINES = 20

_LEADING_JUNK = re.compile(rb"(?:\xef\xbb\xbf|[ \t]*(?:\r\n|\r|\n)|>?From [^\r\n]*(?:\r\n|\r|\n))+")
_HEADER_LINE = re.compile(rb"[!-9;-~]{1,200}:")
_LINE = re.compile(rb"[!-9;-~]{1,200}:")
_KNOWN_HEADER = re.compile(
    rb"^(?:Return-Path|Received|Delivered-To|X-Original-To|Envelope-To|From|To|Cc|Subject|Date|Message-ID|MIME-Version"
    rb"|Content-Type|Sender|Reply-To|X-Mailer|DKIM-Signature|Authentication-Results)[ \t]*:",
    re.IGNORECASE,
)
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)")

_DELIVERED_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to")


@dataclass(frozen=True, slots=True)
class Head:
    """The headers of one message. Address tuples hold usable mailboxes only.

    `return_path` is None without the header and "" for the null sender `<>`; `date` is aware, None if missing or
    unreadable; ids keep their angle brackets; `fields` has every header as (lower-case name, decoded one-line value).
    """

    sender: Address | None
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[str, ...]
    return_path: str | None
    subject: str
    date: datetime | None
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]

    def first(self, name: str) -> str | None:
        """The value of the topmost header `name` (any case); None if there is none."""
        wanted = name.lower()
        return next((value for key, value in self.fields if key == wanted), None)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of every header `name` (any case), topmost first."""
        wanted = name.lower()
        return tuple(value for key, value in self.fields if key == wanted)


EMPTY_HEAD = Head(None, (), (), (), (), None, "", None, None, (), (), ())


def parse_head(raw: bytes) -> Head:
    """The headers of `raw`, without reading its body. Never raises; reads at most 256 KB of headers."""
    try:
        return _head(raw)
    except Exception:  # The contract of this door: whatever a hostile header does to the parser, the mail goes on.
        return EMPTY_HEAD


def message_start(raw: bytes) -> int:
    """Where the headers begin: behind a byte order mark, blank lines, an mbox "From " line and stray text lines."""
    junk = _LEADING_JUNK.match(raw)
    start = junk.end() if junk else 0
    if _HEADER_LINE.match(raw, start):
        return start
    position = start
    for _ in range(_JUNK_LINES):
        line = _LINE.match(raw, position)
        if line is None:
            break
        position = line.end()
        if is_known_field(raw[position : position + 100]):
            return position
    return start


def _head(raw: bytes) -> Head:
    start = message_start(raw)
    block = cut_headers(raw[start : start + _HEADERS_LIMIT + 1], _HEADERS_LIMIT)
    return _by_meaning([(name.lower(), unfold(value)) for name, value in block.fields])


def _by_meaning(lines: list[tuple[str, str]]) -> Head:
    """A Head of (lower-case name, unfolded value), addresses read before their encoded words are decoded."""

    def boxes(name: str) -> tuple[Address, ...]:
        return tuple(box for key, line in lines if key == name for box in mailboxes(line))

    def ids(name: str) -> tuple[str, ...]:
        return tuple(found for key, line in lines if key == name for found in message_ids(line))

    fields = tuple((name, decode_words(line)) for name, line in lines)
    first = dict(reversed(fields))
    senders = boxes("from")
    return Head(
        sender=senders[0] if senders else None,
        reply_to=boxes("reply-to"),
        to=boxes("to"),
        cc=boxes("cc"),
        delivered_to=tuple(box.address for key, line in lines if key in _DELIVERED_TO for box in mailboxes(line)),
        return_path=_return_path(first.get("return-path")),
        subject=first.get("subject", ""),
        date=_date(first.get("date")),
        message_id=next(iter(ids("message-id")), None),
        in_reply_to=ids("in-reply-to"),
        references=ids("references"),
        fields=fields,
    )


def _return_path(value: str | None) -> str | None:
    """RFC 5321 section 4.4. An empty value states no path, unlike `<>`."""
    if not value:
        return None
    if value.replace(" ", "").startswith("<>"):
        return ""
    found = mailboxes(value)
    return found[0].address if found else value.strip("<> ")


def _date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        found = parsedate_to_datetime(value[:200])
        # `-0000` states no zone (RFC 5322 section 3.3); a zone of weeks makes the instant impossible to compute.
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        aware.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return aware
