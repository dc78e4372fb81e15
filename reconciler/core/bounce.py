"""Knows what a bounce says: who could not be reached, for good or for now; that it is one is decided elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.core.address import is_usable
from reconciler.core.kind_wording import DELAY, fold
from reconciler.core.mail_report import Fields, Report, field_of
from reconciler.core.message import Message

_PROSE_LIMIT = 64 * 1024
_DIAGNOSTIC_LIMIT = 200

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.])([45])\d\d[ -]")
_RECIPIENT = re.compile(
    r"^[ \t]{0,8}(?:<([^<>\s]{3,320})>|([^\s<>()\",:;]{1,64}@[^\s<>()\",:;]{1,255})(?=[:,\s]|$))", re.MULTILINE
)
_MESSAGE_ID = re.compile(r"^[ \t]{0,4}message-id:[ \t]?(<[^<>\s]{3,500}>)", re.MULTILINE | re.IGNORECASE)

# Which recipient of several a person wants to hear of first (RFC 3464 section 2.3.3).
_GRAVEST = ("failed", "delayed")


@dataclass(frozen=True, slots=True)
class BounceDetail:
    """What failed. `permanent` is False while the mail system goes on trying or says the trouble may pass.

    `action` and `status` as in RFC 3464 ("failed", "5.1.1"), `original_message_id` with its brackets, `diagnostic` at
    most 200 characters of what the other server said; None where the bounce does not say.
    """

    action: str | None
    permanent: bool | None
    status: str | None
    recipient: str | None
    original_message_id: str | None
    diagnostic: str | None


def bounce_detail(message: Message) -> BounceDetail:
    """What the bounce `message` says, from its machine-readable part, else from its prose."""
    report = message.body.report
    prose = message.body.text[:_PROSE_LIMIT]
    original = (report.original.message_id if report.original else None) or _first(_MESSAGE_ID, prose)
    if report.recipients:
        return _reported(report, original)
    return _told(message, prose, original)


def _reported(report: Report, original: str | None) -> BounceDetail:
    group = min(report.recipients, key=_gravity)
    action = (field_of(group, "action") or "").split(" ")[0].lower() or None
    status = _first(_STATUS, field_of(group, "status") or "")
    diagnostic = _typed(field_of(group, "diagnostic-code"))
    recipient = _typed(field_of(group, "final-recipient")) or _typed(field_of(group, "original-recipient"))
    return BounceDetail(
        action=action,
        permanent=_permanent(action, status),
        status=status,
        recipient=recipient if recipient and is_usable(recipient) else None,
        original_message_id=original or field_of(report.delivery, "x-original-message-id"),
        diagnostic=diagnostic[:_DIAGNOSTIC_LIMIT] if diagnostic else None,
    )


def _told(message: Message, prose: str, original: str | None) -> BounceDetail:
    told = prose.partition("Message-I")[0]
    delayed = bool(DELAY.search(fold(f"{message.head.subject} {told[:2000]}")))
    status = _first(_STATUS, told)
    code = _first(_REPLY_CODE, told)
    action = "delayed" if delayed else "failed"
    return BounceDetail(
        action=action,
        permanent=_permanent(action, status or code),
        status=status,
        recipient=_prose_recipient(message, told),
        original_message_id=original,
        diagnostic=_said(told),
    )


def _permanent(action: str | None, status: str | None) -> bool | None:
    if action == "delayed" or (status or "").startswith("4"):
        return False
    if action == "failed" or (status or "").startswith("5"):
        return True
    return None


def _gravity(group: Fields) -> int:
    action = (field_of(group, "action") or "").lower()
    return next((rank for rank, grave in enumerate(_GRAVEST) if action.startswith(grave)), len(_GRAVEST))


def _typed(value: str | None) -> str | None:
    """The text of a "type; text" field."""
    if value is None:
        return None
    return value.partition(";")[2].strip().strip("<>") if ";" in value else value.strip().strip("<>")


def _prose_recipient(message: Message, told: str) -> str | None:
    stated = (message.head.first("x-failed-recipients") or "").split(",")[0].strip()
    if is_usable(stated):
        return stated
    for match in _RECIPIENT.finditer(told):
        address = (match.group(1) or match.group(2)).rstrip(".")
        if is_usable(address):
            return address
    return None


def _said(told: str) -> str | None:
    line = next((line for line in told.split("\n") if _STATUS.search(line) or _REPLY_CODE.search(line)), "")
    return " ".join(line.split())[:_DIAGNOSTIC_LIMIT] or None


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1) if found else None
