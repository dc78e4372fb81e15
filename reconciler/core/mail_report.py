"""Knows the machine-readable parts of reports (RFC 3464, 8098, 5965); judges nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.core.charset import clean_text, decode_text
from reconciler.core.head import Head
from reconciler.core.header_text import decode_words

Fields = tuple[tuple[str, str], ...]

_SIZE_LIMIT = 256 * 1024
_FIELD = re.compile(r"([!-9;-~]{1,100})[ \t]*:(.*)")

DELIVERY_TYPES = ("message/delivery-status", "message/global-delivery-status")
DISPOSITION_TYPES = ("message/disposition-notification", "message/global-disposition-notification")
FEEDBACK_TYPES = ("message/feedback-report",)
ORIGINAL_TYPES = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a message says to machines; everything empty in a message that says nothing.

    Fields are (lower-case name, one-line value). `delivery` is the per-message group of a delivery status and
    `recipients` one group a recipient (RFC 3464 section 2). `original` is the head of the first enclosed message or
    of its returned headers: the message reported on only if one of the other fields says that this is a report.
    """

    delivery: Fields = ()
    recipients: tuple[Fields, ...] = ()
    disposition: Fields = ()
    feedback: Fields = ()
    original: Head | None = None


NO_REPORT = Report()


def field_of(fields: Fields, name: str) -> str | None:
    """The first value of the lower-case `name`; None if there is none."""
    return next((value for key, value in fields if key == name), None)


def field_groups(data: bytes) -> tuple[Fields, ...]:
    """The groups of `Name: value` lines in `data`, separated by blank lines; reads at most 256 KB."""
    text = clean_text(decode_text(data[:_SIZE_LIMIT], None))
    groups: list[Fields] = []
    group: list[tuple[str, str]] = []
    for line in [*text.split("\n"), ""]:
        if not line.strip():
            if group:
                groups.append(tuple((name, decode_words(value)) for name, value in group))
            group = []
        elif line[0] in " \t" and group:
            group[-1] = (group[-1][0], f"{group[-1][1]} {line.strip()}")
        elif found := _FIELD.match(line):
            group.append((found.group(1).lower(), found.group(2).strip()))
    return tuple(groups)


def delivery_groups(data: bytes) -> tuple[Fields, tuple[Fields, ...]]:
    """The per-message group and the recipients' groups; some senders write all of it as one group."""
    groups = field_groups(data)
    recipients = tuple(group for group in groups if field_of(group, "action") or field_of(group, "final-recipient"))
    return next(iter(groups), ()), recipients
