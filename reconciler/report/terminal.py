"""How values look in text: nothing that came from a file or a mail can move the cursor, colour or reorder a line."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SHOWN_LENGTH = 100


def visible(text: str) -> str:
    """The text on one line; control, format and unassigned characters (ESC, line ends, bidi) as `\\u{…}`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in _HIDDEN else c for c in text)


def shown(value: Any) -> str:
    """A JSON value for a line of text, cut at 100 characters; None, which means that nothing is there, is a dash."""
    if value is None:
        return "-"
    text = visible(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def as_json(document: Any) -> str:
    """A JSON text in ASCII, so that printing it is as harmless as `visible` text."""
    return json.dumps(document, indent=2) + "\n"


def instant(value: datetime | None) -> str | None:
    """ISO 8601 in UTC, to the second: `2026-01-31T12:00:00Z`."""
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Rows as lines whose cells stand below each other; the last cell may be as long as it likes."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
