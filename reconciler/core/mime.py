"""Knows how to cut a mail into its parts within bounds of depth and number; knows nothing of what the parts mean.

An enclosed message stays one opaque run of bytes: nothing here reads a stranger's mail as the mail itself.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from reconciler.core.charset import clean_text, decode_text
from reconciler.core.header_lines import cut_headers
from reconciler.core.header_text import decode_words, parameters, unfold

_DEPTH_LIMIT = 50
_PARTS_LIMIT = 1000
_VALUE_LIMIT = 4096
_HEADERS_LIMIT = 256 * 1024

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,120}")
_MULTIPART_DIGEST = "multipart/digest"
_AFTER_DELIMITER = re.compile(rb"(--)?[ \t]*(?:\r\n|\r|\n|\Z)")
_NO_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_LIKELY_DELIMITER = re.compile(
    rb"(?:\A|[\r\n])(--[^\s]{1,200})[ \t]*(?:\r\n|\r|\n)Content-[A-Za-z-]{1,30}:", re.IGNORECASE
)
_UU_BEGIN = re.compile(rb"(?:\A|[\r\n])begin [0-7]{3,4} [^\r\n]{1,400}[\r\n]")

# The parameters that tell one meaning of a type from another (RFC 6522, RFC 6047).
_TELLING_PARAMETERS = ("report-type", "method")


@dataclass(eq=False)
class Part:
    """One part: its headers by lower-case name (the first of each counts), its raw body, and the parts inside."""

    headers: dict[str, str]
    raw: bytes
    depth: int = 0
    in_digest: bool = False
    children: tuple[Part, ...] = ()
    defects: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order they stand in the mail."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.children))

    def header(self, name: str) -> str | None:
        """The first header `name`, unfolded, encoded words left alone, at most 4 KB; None if there is none."""
        value = self.headers.get(name)
        return None if value is None else unfold(value[:_VALUE_LIMIT])

    @cached_property
    def content_parameters(self) -> dict[str, str]:
        return parameters(self.header("content-type") or "")

    @cached_property
    def declared_type(self) -> str:
        """The media type in lower case; the default of RFC 2045 section 5.2 (or 2046, 5.1.5) if it is none."""
        stated = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if _TYPE.fullmatch(stated):
            return stated
        return "message/rfc822" if self.in_digest and not stated else "text/plain"

    @property
    def telling_type(self) -> str:
        """The media type with the parameters that change its meaning, such as `; report-type=delivery-status`."""
        found = self.content_parameters
        telling = [f"; {name}={found[name].strip().lower()}" for name in _TELLING_PARAMETERS if found.get(name)]
        return self.declared_type + "".join(telling)

    @cached_property
    def disposition(self) -> str:
        """The word of Content-Disposition in lower case; "" without one."""
        return (self.header("content-disposition") or "").partition(";")[0].strip().lower()

    @cached_property
    def file_name(self) -> str:
        """The name the sender gave the part, decoded but not made safe; "" if none."""
        named = parameters(self.header("content-disposition") or "").get("filename")
        return named or self.content_parameters.get("name", "")

    @property
    def content_id(self) -> str | None:
        return decode_words(self.header("content-id") or "").strip("<> ") or None

    @property
    def is_broken_multipart(self) -> bool:
        """Said to be a multipart, but its boundary is missing or never occurs."""
        return self.declared_type.startswith("multipart/") and not self.children and not self.too_deep

    @property
    def too_deep(self) -> bool:
        return self.depth >= _DEPTH_LIMIT and self.declared_type.startswith("multipart/")

    @cached_property
    def content(self) -> bytes:
        """What a leaf holds, its transfer encoding taken off; b"" for a part with parts."""
        if self.children:
            return b""
        encoding = (self.header("content-transfer-encoding") or "").strip(" \t\"'").lower()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.raw)
        if encoding == "base64":
            return _from_base64(self.raw)
        if encoding in ("x-uuencode", "uuencode", "uue", "x-uue"):
            begin = _UU_BEGIN.search(self.raw)
            return from_uuencode(self.raw[begin.end() :]) if begin else self.raw
        return self.raw

    @cached_property
    def text(self) -> str:
        """A text leaf, decoded, with `\\n` line ends."""
        return clean_text(decode_text(self.content, self.content_parameters.get("charset")))


def parse_parts(data: bytes) -> tuple[Part, tuple[str, ...]]:
    """The part tree of `data`, which begins at its first header, and the slugs of what was wrong.

    `too-many-parts` and `too-deep` mean that something was not read. Work grows with the size times the depth at most.
    """
    root = _part(data, 0, in_digest=False)
    waiting, count = [root], 1
    while waiting:
        part = waiting.pop()
        if not part.declared_type.startswith("multipart/") or part.too_deep:
            part.defects += ["too-deep"] if part.too_deep else []
            continue
        pieces = _pieces(part, _PARTS_LIMIT - count)
        part.children = tuple(
            _part(piece, part.depth + 1, in_digest=part.declared_type == _MULTIPART_DIGEST) for piece in pieces
        )
        count += len(pieces)
        waiting.extend(reversed(part.children))
    return root, tuple(dict.fromkeys(slug for part in root.walk() for slug in part.defects))


def from_uuencode(data: bytes) -> bytes:
    """The bytes of the lines between `begin` and `end`; a line that is none is skipped."""
    out: list[bytes] = []
    for line in data.splitlines():
        if line.strip() == b"end":
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders count the padding; the length in front says how much is meant.
            length = (((line[0] - 32) & 63) * 4 + 5) // 3 if line else 0
            try:
                out.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                continue
    return b"".join(out)


def _part(data: bytes, depth: int, *, in_digest: bool) -> Part:
    block = cut_headers(data, _HEADERS_LIMIT)
    headers: dict[str, str] = {}
    for name, value in block.fields:
        headers.setdefault(name.lower(), value)
    part = Part(headers, data[block.body :], depth, in_digest)
    if block.unseparated:
        part.defects.append("missing-header-body-separator")
    return part


def _pieces(part: Part, most: int) -> list[bytes]:
    """What stands between the delimiters of a multipart (RFC 2046 section 5.1.1); behind the last is epilogue."""
    boundary = part.content_parameters.get("boundary", "").rstrip()
    delimiter = b"--" + boundary.encode("utf-8", "surrogateescape")
    if not boundary or delimiter not in part.raw:
        part.defects.append("start-boundary-not-found" if boundary else "no-boundary-in-multipart")
        likely = _LIKELY_DELIMITER.search(part.raw)
        if not likely:
            return []
        delimiter = likely.group(1)
    data, pieces, start, closed = part.raw, list[bytes](), -1, False
    for begin, end, closing in _delimiters(data, delimiter):
        if start >= 0 and not (closed and not data[start:begin].strip()):
            pieces.append(_without_line_end(data, start, begin))
        start, closed = end, closing
        if len(pieces) >= most:
            part.defects.append("too-many-parts")
            return pieces
    if start >= 0 and not closed:
        part.defects.append("close-boundary-not-found")
        pieces.append(data[start:])
    return pieces


def _delimiters(data: bytes, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
    """Start, end and whether it closes, of each line that is the delimiter and nothing else."""
    position = data.find(delimiter)
    while position >= 0:
        end = position + len(delimiter)
        if position == 0 or data[position - 1] in b"\r\n":
            found = _AFTER_DELIMITER.match(data, end)
            if found:
                yield position, found.end(), found.group(1) is not None
                end = found.end()
        position = data.find(delimiter, end)


def _without_line_end(data: bytes, start: int, end: int) -> bytes:
    """The line end before a delimiter belongs to the delimiter."""
    if data.endswith(b"\r\n", start, end):
        return data[start : end - 2]
    return data[start : end - 1] if end > start and data[end - 1] in b"\r\n" else data[start:end]


def _from_base64(data: bytes) -> bytes:
    """What of `data` is base64, whatever stands between; b"" of nothing."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        kept = data.translate(None, _NO_BASE64)
        # One left-over character carries no whole byte and makes the decoder refuse all the others.
        kept = kept[: len(kept) - (len(kept) % 4 == 1)]
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))
