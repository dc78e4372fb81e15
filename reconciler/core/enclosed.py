"""Knows the files that older programs put into a mail's text or into one file: uuencode and Outlook's winmail.dat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from reconciler.core.attachment import Attachment, safe_file_name
from reconciler.core.charset import clean_text
from reconciler.core.mime import from_uuencode
from reconciler.core.tnef import read_tnef

TNEF_TYPES = ("application/ms-tnef", "application/vnd.ms-tnef")

_BLOCKS_LIMIT = 100
_BLOCK = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,400})\n((?:[ -`][ -~]{0,100}\n){1,200000})end[ \t]*$\n?", re.MULTILINE)
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Enclosed:
    """The text and HTML of a mail in a file, "" if there is none, and its files."""

    text: str
    html: str
    files: tuple[Attachment, ...]


def without_uuencoded(text: str) -> tuple[str, tuple[Attachment, ...]]:
    """The text without the files in it, and the files."""
    if "begin " not in text or "\nend" not in text:
        return text, ()
    found = list(islice(_BLOCK.finditer(text), _BLOCKS_LIMIT))
    files = tuple(_file(block.group(1).strip(), from_uuencode(block.group(2).encode())) for block in found)
    kept, end = [], 0
    for block in found:
        kept.append(text[end : block.start()])
        end = block.end()
    return "".join((*kept, text[end:])), files


def in_tnef(data: bytes) -> Enclosed | None:
    """What a winmail.dat holds; None if it is none."""
    found = read_tnef(data)
    if found is None:
        return None
    return Enclosed(
        clean_text(found.text), clean_text(found.html), tuple(_file(name, content) for name, content in found.files)
    )


def _file(name: str, content: bytes) -> Attachment:
    return Attachment(safe_file_name(name, _OCTETS), _OCTETS, content, inline=False, content_id=None)
