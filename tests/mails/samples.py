"""Every mail whose kind is known: the files beside this module, and those made of the tables of words."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

from tests.mails.bounces import PROSE, Told
from tests.mails.human_words import HUMAN, REFERS
from tests.mails.notices import AWAY, RECEIVED

FOLDER = Path(__file__).parent


class Sample(NamedTuple):
    """A mail and the kind a person would say it is."""

    name: str
    kind: str
    raw: bytes


def samples() -> Iterator[Sample]:
    """All of them, the files first."""
    for path in sorted(FOLDER.glob("*/*.eml")):
        yield Sample(f"{path.parent.name}/{path.stem}", path.parent.name, path.read_bytes())
    for told in PROSE:
        yield Sample(f"bounce: {told.name}", "bounce", bounce(told))
    for number, (language, subject, text) in enumerate((*AWAY, *RECEIVED)):
        yield Sample(f"auto_reply: {language} {number}", "auto_reply", mail(subject, text, (REFERS,)))
    for number, (subject, text, headers) in enumerate(HUMAN):
        yield Sample(f"human: {number} {subject}", "human", mail(subject, text, headers))


def bounce(told: Told) -> bytes:
    """A bounce of the table, as the mail system sends it."""
    return mail(told.subject, told.text, ("Return-Path: <>",) if told.null else (), sender=told.sender)


def mail(subject: str, text: str, headers: tuple[str, ...] = (), *, sender: str = "Ann <ann@partner.example>") -> bytes:
    """A plain mail; without a Return-Path among the headers it has none."""
    made = EmailMessage()
    made["Subject"] = subject
    made.set_content(text, cte="base64" if not text.isascii() else "7bit")
    top = "\n".join((f"From: {sender}", "To: Service <service@service.example>", *headers))
    return f"{top}\nDate: Tue, 3 Mar 2026 09:00:00 +0100\nMessage-ID: <m@partner.example>\n".encode() + made.as_bytes()
