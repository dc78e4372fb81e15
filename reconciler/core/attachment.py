"""Knows a file that came with a mail and how to name it safely; knows nothing of where it is kept."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_NAME_LIMIT = 120
_EXTENSION_LIMIT = 16

_FORBIDDEN = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)

_EXTENSIONS = {
    "application/ics": "ics",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/pgp-signature": "asc",
    "application/pkcs7-signature": "p7s",
    "application/zip": "zip",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "message/rfc822": "eml",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/vcard": "vcf",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """One part that is no text to read. `payload` is decoded; `content_id` stands without angle brackets.

    `name` is a safe file name: no path, control or bidirectional characters, 1 to 120 characters.
    """

    name: str
    content_type: str
    payload: bytes
    inline: bool
    content_id: str | None


def safe_file_name(name: str, content_type: str) -> str:
    """`name` made safe to store and to show; made up from `content_type` if nothing of it is left."""
    last = re.split(r"[/\\]", name)[-1]
    # Category C holds controls and the format characters that turn `gpj.exe` round in a person's eyes.
    shown = "".join(char for char in unicodedata.normalize("NFC", last) if unicodedata.category(char)[0] != "C")
    kept = _FORBIDDEN.sub("_", " ".join(shown.split())).strip(" .")
    if not kept:
        kept = f"attachment.{_EXTENSIONS.get(content_type, 'bin')}"
    if _DEVICE.match(kept):
        kept = f"_{kept}"
    if len(kept) <= _NAME_LIMIT:
        return kept
    stem, dot, extension = kept.rpartition(".")
    if not dot or len(extension) > _EXTENSION_LIMIT:
        return kept[:_NAME_LIMIT].rstrip(" .")
    return f"{stem[: _NAME_LIMIT - len(extension) - 1].rstrip(' .')}.{extension}"
