"""Knows Outlook's `winmail.dat`: the files and the text in it (MS-OXTNEF); knows nothing of mails."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.charset import decode_text

_SIGNATURE = 0x223E9F78
_ATTRIBUTES_LIMIT = 10_000
_PROPERTIES_LIMIT = 2_000
_FILES_LIMIT = 500

# Attribute ids (MS-OXTNEF section 2.1.3.3).
_RENDER_DATA, _FILE_DATA, _FILE_TITLE, _FILE_PROPERTIES, _BODY, _PROPERTIES = (
    0x9002,
    0x800F,
    0x8010,
    0x9005,
    0x800C,
    0x9003,
)

# MAPI property ids (MS-OXPROPS): attachment long file name, its data, the plain and the HTML body.
_LONG_NAME, _DATA, _PLAIN_BODY, _HTML_BODY = 0x3707, 0x3701, 0x1000, 0x1013

_FIXED_SIZES = {0x0002: 4, 0x0003: 4, 0x0004: 4, 0x000A: 4, 0x000B: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x0014: 8,
                0x0040: 8, 0x0048: 16}  # fmt: skip
_STRING, _UNICODE, _OBJECT, _BINARY = 0x001E, 0x001F, 0x000D, 0x0102


@dataclass(frozen=True, slots=True)
class Tnef:
    """What the file holds: (name, bytes) of each file in it, and the text of the mail, "" if it is only in RTF."""

    files: tuple[tuple[str, bytes], ...]
    text: str
    html: str


def read_tnef(data: bytes) -> Tnef | None:
    """The contents of `data`; None if it is no TNEF. A damaged one gives what stands before the damage."""
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != _SIGNATURE:
        return None
    files: list[list[bytes]] = []
    text, html = "", ""
    for attribute, value in _attributes(data):
        if attribute == _RENDER_DATA and len(files) < _FILES_LIMIT:
            files.append([b"", b""])
        elif attribute == _FILE_TITLE and files:
            files[-1][0] = files[-1][0] or value
        elif attribute == _FILE_DATA and files:
            files[-1][1] = value
        elif attribute == _FILE_PROPERTIES and files:
            found = dict(_properties(value))
            files[-1][0] = found.get(_LONG_NAME, files[-1][0])
            files[-1][1] = files[-1][1] or found.get(_DATA, b"")
        elif attribute == _BODY:
            text = _text(value)
        elif attribute == _PROPERTIES:
            found = dict(_properties(value))
            text = text or _text(found.get(_PLAIN_BODY, b""))
            html = _text(found.get(_HTML_BODY, b""))
    return Tnef(tuple((_text(name), content) for name, content in files if content), text, html)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Level, id, length, value and checksum, one after the other (MS-OXTNEF section 2.1.3.1)."""
    position = 6
    for _ in range(_ATTRIBUTES_LIMIT):
        if position + 9 > len(data):
            return
        attribute, length = struct.unpack_from("<HxxI", data, position + 1)
        yield attribute, data[position + 9 : position + 9 + length]
        position += 9 + length + 2


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Id and value of each property that has one value of a kind we know; stops at the first it cannot follow."""
    try:
        count, position = struct.unpack_from("<I", data)[0], 4
        for _ in range(min(count, _PROPERTIES_LIMIT)):
            kind, name = struct.unpack_from("<HH", data, position)
            position = _after_name(data, position + 4, name)
            if kind in _FIXED_SIZES:
                position += _FIXED_SIZES[kind]
            elif kind in (_STRING, _UNICODE, _OBJECT, _BINARY):
                values, length = struct.unpack_from("<II", data, position)
                value = data[position + 8 : position + 8 + length]
                yield name, value.decode("utf-16-le", "replace").encode() if kind == _UNICODE else value
                position += 8 + length + (-length % 4)
                if values != 1:
                    return
            else:
                return
    except struct.error:
        return


def _after_name(data: bytes, position: int, name: int) -> int:
    """Behind the GUID and name that a property with an id from 0x8000 on carries."""
    if name < 0x8000:
        return position
    by_text = struct.unpack_from("<I", data, position + 16)[0]
    if not by_text:
        return position + 24
    length = struct.unpack_from("<I", data, position + 20)[0]
    return int(position + 24 + length + (-length % 4))


def _text(value: bytes) -> str:
    return decode_text(value.rstrip(b"\x00"), None)
