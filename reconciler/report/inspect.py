"""Renders what a mail says and what kind it is, an object a mail for programs and a few lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.address import Address
from reconciler.core.attachment import Attachment
from reconciler.core.kind import Classification, classify, relayed_by_itself
from reconciler.core.message import Message, parse
from reconciler.core.quoting import without_quotes
from reconciler.core.safe_html import safe_html
from reconciler.report.terminal import instant, visible

_UNREADABLE = "unreadable"
_TEXT_LINES = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A mail as `inspect` prints it. `kind` is None if the file could not be read."""

    kind: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Form:
    """How mails are printed: for programs or for people, and if for programs with their HTML, made harmless."""

    as_json: bool = False
    with_html: bool = False


def inspected(path: str, raw: bytes, form: Form) -> Line:
    """The mail `raw`, read, judged and rendered."""
    message = parse(raw)
    found = classify(message)
    if not form.as_json:
        return Line(found.kind.value, _mail_text(path, message, found))
    row = mail_json(path, message, found)
    if form.with_html:
        row["html"] = safe_html(message.body.html) if message.body.html is not None else None
    return Line(found.kind.value, _dumped(row))


def not_inspected(path: str, reason: str, form: Form) -> Line:
    """A mail whose bytes could not be had, with the reason."""
    if not form.as_json:
        return Line(None, f"{visible(path)}: {_UNREADABLE}, {visible(reason)}")
    return Line(None, _dumped(_unread_json(path, reason) | ({"html": None} if form.with_html else {})))


def mail_json(path: str, message: Message, found: Classification) -> dict[str, Any]:
    """A mail as the machine output shows it; `detail` has each key whatever the kind."""
    head, body, bounce = message.head, message.body, found.bounce
    return {
        "path": path,
        "kind": found.kind.value,
        "detail": {
            "out_of_office": found.out_of_office,
            "permanent": bounce.permanent if bounce else None,
            "status": bounce.status if bounce else None,
            "recipient": bounce.recipient if bounce else None,
        },
        "relay": message.readable and relayed_by_itself(found.kind),
        "evidence": _evidence(message, found),
        "from": _address(head.sender) if head.sender else None,
        "to": [_address(address) for address in head.to],
        "subject": head.subject,
        "date": instant(head.date),
        "message_id": head.message_id,
        "text": body.text,
        "attachments": [_attachment(attachment) for attachment in body.attachments],
    }


def summary(counts: Mapping[str | None, int]) -> str:
    """How many mails of which kind, the most frequent first; None counts what could not be read."""
    total = sum(counts.values())
    parts = [f"{number:,} {kind or _UNREADABLE}" for kind, number in sorted(counts.items(), key=lambda item: -item[1])]
    return f"{total:,} mail{'' if total == 1 else 's'}: {', '.join(parts) or 'none'}"


def _unread_json(path: str, reason: str) -> dict[str, Any]:
    return {
        "path": path,
        "kind": None,
        "detail": {"out_of_office": False, "permanent": None, "status": None, "recipient": None},
        "relay": False,
        "evidence": [{"signal": _UNREADABLE, "source": "the file system", "detail": reason}],
        "from": None,
        "to": [],
        "subject": "",
        "date": None,
        "message_id": None,
        "text": "",
        "attachments": [],
    }


def _evidence(message: Message, found: Classification) -> list[dict[str, str]]:
    """The signs that were seen, the deciding one first; of a mail that nobody could use, also what is wrong with it."""
    seen = [{"signal": e.signal, "source": e.source, "detail": e.detail} for e in found.evidence]
    if not message.readable:
        wrong = ", ".join(message.defects) or "it has no text, no file and no subject"
        seen.append({"signal": _UNREADABLE, "source": "the parser", "detail": wrong})
    return seen


def _address(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.address}


def _attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "name": attachment.name,
        "content_type": attachment.content_type,
        "size": len(attachment.payload),
        "inline": attachment.inline,
    }


def _mail_text(path: str, message: Message, found: Classification) -> str:
    row = mail_json(path, message, found)
    lines = [f"{visible(path)}: {found.kind}{_detail(found)}, {'relayed' if row['relay'] else 'never relayed'}"]
    lines += [f"  because   {e['signal']} ({e['source']}): {visible(e['detail'])}" for e in row["evidence"]]
    sender = message.head.sender
    lines.append(f"  from      {visible(_named(sender)) if sender else '-'}")
    lines.append(f"  subject   {visible(message.head.subject) or '-'}")
    new = [line for line in without_quotes(message.body.text).split("\n") if line.strip()]
    lines += [f"  {'text' if not n else '':9} {visible(line[:100])}" for n, line in enumerate(new[:_TEXT_LINES])]
    lines += [
        f"  attached  {visible(a.name)} ({a.content_type}, {len(a.payload):,} B)" for a in message.body.attachments
    ]
    return "\n".join(lines)


def _detail(found: Classification) -> str:
    if found.out_of_office:
        return f" (out of office{f' until {found.until}' if found.until else ''})"
    if found.bounce is None:
        return ""
    lasting = {True: "permanent", False: "temporary", None: "for good or for now: not said"}[found.bounce.permanent]
    return f" ({', '.join(visible(part) for part in (lasting, found.bounce.status, found.bounce.recipient) if part)})"


def _named(address: Address) -> str:
    return f"{address.name} <{address.address}>" if address.name else address.address


def _dumped(row: Mapping[str, Any]) -> str:
    """One line of JSON in ASCII, which no mail can use to move a cursor."""
    return json.dumps(row)
