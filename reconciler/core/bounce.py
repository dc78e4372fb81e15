"""Knows what a bounce says: who could not be reached, for good or for now; that it is one is decided elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from reconciler.core.address import is_usable
from reconciler.core.bounce_wording import DELAY, GIVEN_UP, RETURNED, SMTP_REPLY
from reconciler.core.head import Head, parse_head
from reconciler.core.kind_wording import fold
from reconciler.core.mail_report import Fields, field_of
from reconciler.core.message import Message

_PROSE_LIMIT = 64 * 1024
_DIAGNOSTIC_LIMIT = 200
_CANDIDATES_LIMIT = 50

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]|\w)")
_ADDRESS = re.compile(r"[^\s<>()\[\]\",:;='*]{1,64}@[^\s<>()\[\]\",:;='*/]{1,255}")
_MESSAGE_ID = re.compile(r"^[ \t>]{0,8}message-id:[ \t]?(<[^<>\s]{3,500}>)", re.MULTILINE | re.IGNORECASE)
_GENERIC_STATUS = re.compile(r"[245]\.(?:0\.0|\d+\.0)$")

_LABELLED = re.compile(
    r"\b(?:final-recipient|original-recipient|(?:failed|intended|undeliverable|invalid)?\s?(?:recipients?"
    r"|address(?:es)?)|error-for|rcpt to|unknown user"
    r"|delivery userid|(?:un)?deliver(?:ed|able|y)? to|addressed to|addressee|attempts?|user|mailbox|empfänger"
    r"|destinataire|destinatario)\b",
    re.IGNORECASE,
)  # fmt: skip
_NO_RECIPIENT = re.compile(
    r"(?:postmaster|mailer-daemon|abuse|support|help(?:desk)?|no-?reply|webmaster|hostmaster|admin\w*|info|contact)@",
    re.IGNORECASE,
)

# Which recipient of several a person wants to hear of first (RFC 3464 section 2.3.3).
_GRAVEST = ("fail", "delay")


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
    prose = message.body.text[:_PROSE_LIMIT]
    begins = RETURNED.search(prose)
    told = prose[: begins.start()] if begins and prose[: begins.start()].strip() else prose
    returned = message.body.report.original or (parse_head(_as_mail(prose[begins.start() :])) if begins else None)
    original = (returned.message_id if returned else None) or _first(_MESSAGE_ID, prose)
    if message.body.report.recipients:
        return _reported(message, told, returned, original)
    return _told(message, told, returned, original)


def _reported(message: Message, told: str, returned: Head | None, original: str | None) -> BounceDetail:
    report = message.body.report
    group = min(report.recipients, key=_gravity)
    action = (field_of(group, "action") or "").split(" ")[0].lower() or None
    diagnostic = _typed(field_of(group, "diagnostic-code"))
    stated = _first(_STATUS, field_of(group, "status") or "")
    stated_recipient = _typed(field_of(group, "final-recipient")) or _typed(field_of(group, "original-recipient"))
    recipient = (stated_recipient or "").removeprefix("mailto:").partition(" ")[0].strip("<>")
    return BounceDetail(
        action=action,
        permanent=_permanent(action, stated, diagnostic or "", delayed=action is None and _is_delay(message, told)),
        status=stated or _first(_STATUS, diagnostic or ""),
        recipient=recipient if is_usable(recipient) else _prose_recipient(message, told, returned),
        original_message_id=original or field_of(report.delivery, "x-original-message-id"),
        diagnostic=diagnostic[:_DIAGNOSTIC_LIMIT] if diagnostic else None,
    )


def _told(message: Message, told: str, returned: Head | None, original: str | None) -> BounceDetail:
    delayed = _is_delay(message, told)
    status = _first(_STATUS, told)
    action = "delayed" if delayed else "failed"
    return BounceDetail(
        action=action,
        permanent=_permanent(action, status, told, delayed=delayed),
        status=status,
        recipient=_prose_recipient(message, told, returned),
        original_message_id=original,
        diagnostic=_said(told),
    )


def _is_delay(message: Message, told: str) -> bool:
    """Whether the mail system says that it goes on trying; that it has given up outweighs how late it is."""
    words = fold(told[:4000])
    trying = DELAY.find(words) is not None or DELAY.find(fold(message.head.subject[:500])) is not None
    return trying and GIVEN_UP.find(words) is None


def _permanent(action: str | None, status: str | None, answer: str, *, delayed: bool) -> bool | None:
    """By RFC 3463 section 2: 4 may pass, 5 stays. A status that says nothing but its class yields to the answer's."""
    if delayed or (action or "").startswith("delay"):
        return False
    exact = _first(_STATUS, answer)
    if status is None or (_GENERIC_STATUS.match(status) and exact is not None):
        status = exact or status
    reply = SMTP_REPLY.search(answer)
    kind = (status or (reply.group(1) if reply else ""))[:1]
    if kind == "4":
        return False
    return True if kind == "5" or (action or "").startswith(("fail", "error")) else None


def _gravity(group: Fields) -> int:
    action = (field_of(group, "action") or "").lower()
    return next((rank for rank, grave in enumerate(_GRAVEST) if action.startswith(grave)), len(_GRAVEST))


def _typed(value: str | None) -> str | None:
    """The text of a "type; text" field."""
    if value is None:
        return None
    kind, semicolon, text = value.partition(";")
    typed = semicolon and len(kind) <= 40 and " " not in kind.strip()
    return (text if typed else value).strip().strip("<>")


def _prose_recipient(message: Message, told: str, returned: Head | None) -> str | None:
    """Who was not reached: stated in a header, apart in the text, named in a sentence, or the only addressee."""
    stated = (message.head.first("x-failed-recipients") or "").split(",")[0].strip()
    if is_usable(stated):
        return stated
    ours = {box.key for box in message.head.to} | ({message.head.sender.key} if message.head.sender else set())
    best: tuple[int, str] | None = None
    for line, found in islice(_addresses(told), _CANDIDATES_LIMIT):
        rank = _apartness(line, found) + (5 if found.lower() in ours else 0) + (3 if _NO_RECIPIENT.match(found) else 0)
        if is_usable(found) and (best is None or rank < best[0]):
            best = (rank, found)
    if best and best[0] < 5:
        return best[1]
    if returned and len(returned.to) == 1 and returned.to[0].key not in ours:
        return returned.to[0].address
    return None


def _addresses(told: str) -> list[tuple[str, str]]:
    return [
        (line, found.group().rstrip(".!?"))
        for line in told.split("\n")
        if "@" in line
        for found in islice(_ADDRESS.finditer(line[:1000]), 5)
    ]


def _apartness(line: str, address: str) -> int:
    """How little stands beside an address: 0 nothing, 1 it leads the line or a label does, 2 it is in a sentence."""
    before, _, after = line.partition(address)
    if not before.strip(" \t<[(*\"'->|") and not after.strip(" \t>])*\"',.;:|-"):
        return 0
    if not before.strip(" \t<[(*\"'-") or _LABELLED.search(before[-60:]):
        return 1
    return 2


def _as_mail(text: str) -> bytes:
    """The head that follows the line which announces it, its indents and quote marks taken away."""
    lines = text[:16_000].split("\n")[:200]
    start = next((n for n, line in enumerate(lines) if re.match(r"[ \t>]{0,8}[!-9;-~]{2,40}:[ \t]", line)), len(lines))
    return "\n".join(re.sub(r"^[ \t>]{1,8}(?=[!-9;-~]{2,40}:)", "", line) for line in lines[start:]).encode()


def _said(told: str) -> str | None:
    line = next((line for line in told.split("\n") if _STATUS.search(line) or SMTP_REPLY.search(line)), "")
    return " ".join(line.split())[:_DIAGNOSTIC_LIMIT] or None


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1) if found else None
