"""Knows what a mail says: its head, its text, its attachments; judges neither what it is nor where it belongs."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.address import Address
from reconciler.core.attachment import Attachment, safe_file_name
from reconciler.core.enclosed import TNEF_TYPES, in_tnef, without_uuencoded
from reconciler.core.head import Head, message_start, parse_head
from reconciler.core.htmltext import html_to_text
from reconciler.core.mail_report import (
    DELIVERY_TYPES,
    DISPOSITION_TYPES,
    FEEDBACK_TYPES,
    NO_REPORT,
    ORIGINAL_TYPES,
    Fields,
    Report,
    delivery_groups,
    field_groups,
)
from reconciler.core.mime import Part, parse_parts

__all__ = ["Address", "Attachment", "Body", "Head", "Message", "Report", "parse", "parse_head"]

_TEXT_TYPES = ("text/plain", "text/html")


@dataclass(frozen=True, slots=True)
class Body:
    """What follows the head. `text` is the best plain text, with `\\n` line ends; `html` None if there is none.

    `content_types` are the types of all parts in order, the telling parameters with them:
    "multipart/report; report-type=delivery-status". An enclosed message is one attachment and is not looked into.
    """

    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    content_types: tuple[str, ...]
    report: Report = NO_REPORT


@dataclass(frozen=True, slots=True)
class Message:
    """A mail as far as it could be read. `defects` are slugs of what was wrong with it.

    `readable` is False if a person could use nothing of it, or if a part of it was not read: it is then held.
    """

    head: Head
    body: Body
    defects: tuple[str, ...]
    readable: bool


def parse(raw: bytes) -> Message:
    """`raw` as a message. Never raises, whatever the bytes are."""
    head = parse_head(raw)
    try:
        start = message_start(raw)
        root, defects = parse_parts(raw[start:])
        body = _body(root)
    except Exception:  # The contract of this door: a mail the parser breaks on is held, not a reason to stop.
        return Message(head, Body("", None, (), ()), ("unparsable",), readable=False)
    found = [*(["junk-before-headers"] if start else []), *_head_defects(head), *defects]
    usable = bool(head.fields) and bool(body.text.strip() or body.attachments or head.subject)
    complete = "too-many-parts" not in found
    return Message(head, body, tuple(found), readable=usable and complete)


def _head_defects(head: Head) -> list[str]:
    defects = []
    if head.sender is None:
        defects.append("no-sender")
    if len(head.all("from")) > 1:
        defects.append("several-from")
    return defects


def _body(root: Part) -> Body:
    leaves = [part for part in root.walk() if not part.children]
    texts = [part for part in leaves if _is_text(part)] or _shown_files(leaves)[:1]
    html = "\n".join(part.text for part in texts if part.declared_type == "text/html")
    shown = "\n".join(_plain(part).strip("\n") for part in _best(root, texts))
    text, files = without_uuencoded(shown)
    for part in leaves:
        if part not in texts and _holds_something(part):
            enclosed = in_tnef(part.content) if _is_tnef(part) else None
            files += enclosed.files if enclosed and enclosed.files else (_attachment(part),)
            if enclosed and not text.strip():
                text, html = enclosed.text or html_to_text(enclosed.html), html or enclosed.html
    return Body(
        text=text.strip("\n"),
        html=html or None,
        attachments=files,
        content_types=tuple(part.telling_type for part in root.walk()),
        report=_report(leaves),
    )


def _is_tnef(part: Part) -> bool:
    return part.declared_type in TNEF_TYPES or part.file_name.lower() == "winmail.dat"


def _is_text(part: Part) -> bool:
    """Whether a leaf is text to read rather than a file: some programs name the text, so a name alone is no file."""
    if part.is_broken_multipart:
        return True
    if part.declared_type not in _TEXT_TYPES or part.disposition == "attachment":
        return False
    return not (part.disposition == "inline" and part.file_name)


def _shown_files(leaves: list[Part]) -> list[Part]:
    return [part for part in leaves if part.declared_type in _TEXT_TYPES and part.disposition == "inline"]


def _holds_something(part: Part) -> bool:
    """An empty multipart is no file."""
    return part.too_deep or not part.declared_type.startswith("multipart/")


def _best(part: Part, texts: list[Part]) -> list[Part]:
    """The leaves to read in order; of alternatives (RFC 2046 section 5.1.4) plain text with words, else HTML."""
    if not part.children:
        return [part] if part in texts else []
    choices = [choice for child in part.children if (choice := _best(child, texts))]
    if part.declared_type != "multipart/alternative" or not choices:
        return [leaf for choice in choices for leaf in choice]
    for choice in choices:
        if all(leaf.declared_type == "text/plain" for leaf in choice) and any(leaf.text.strip() for leaf in choice):
            return choice
    return choices[-1]


def _plain(part: Part) -> str:
    return html_to_text(part.text) if part.declared_type == "text/html" else part.text


def _attachment(part: Part) -> Attachment:
    payload = part.content
    kind = part.declared_type
    name = part.file_name
    if not name and kind == "message/rfc822":
        name = f"{parse_head(payload).subject or 'message'}.eml"
    shown = part.disposition == "inline" or (
        not part.disposition and (part.content_id is not None or kind.startswith("text/"))
    )
    return Attachment(safe_file_name(name, kind), kind, payload, inline=shown, content_id=part.content_id)


def _report(leaves: list[Part]) -> Report:
    def first(types: tuple[str, ...]) -> bytes:
        return next((part.content for part in leaves if part.declared_type in types), b"")

    def group(types: tuple[str, ...]) -> Fields:
        return next(iter(field_groups(first(types))), ())

    delivery, recipients = delivery_groups(first(DELIVERY_TYPES))
    original = first(ORIGINAL_TYPES)
    return Report(
        delivery=delivery,
        recipients=recipients,
        disposition=group(DISPOSITION_TYPES),
        feedback=group(FEEDBACK_TYPES),
        original=parse_head(original) if original else None,
    )
