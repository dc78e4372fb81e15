"""An envelope as the demo's SMTP server accepted it, and its line in the journal; it knows no server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Envelope:
    """MAIL FROM (empty for the null sender), each RCPT TO in order, and the mail's bytes as they were received."""

    mail_from: str
    recipients: tuple[str, ...]
    raw: bytes


def to_line(envelope: Envelope) -> str:
    """One line of JSON with its line end. Latin-1 maps each byte to one character: readable, and nothing is lost."""
    record = {
        "mail_from": envelope.mail_from,
        "recipients": envelope.recipients,
        "raw": envelope.raw.decode("latin-1"),
    }
    return json.dumps(record) + "\n"


def read_journal(journal: Path) -> list[Envelope]:
    """All envelopes in the order of acceptance; a line that is still being written is left for the next reading."""
    records = [
        json.loads(line) for line in journal.read_text(encoding="ascii").splitlines(keepends=True) if line[-1] == "\n"
    ]
    return [Envelope(r["mail_from"], tuple(r["recipients"]), r["raw"].encode("latin-1")) for r in records]
