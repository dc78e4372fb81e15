"""Knows how to cut a mail into its parts within bounds of depth and number; knows nothing of what the parts mean."""

from __future__ import annotations

import re
from email.message import Message as StandardMessage
from email.parser import BytesParser
from email.policy import Policy, compat32
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.core.charset import clean_text, decode_text
from reconciler.core.header_text import decode_words, parameters, unfold

if TYPE_CHECKING:
    _StandardMessage = StandardMessage[str, str]
else:
    _StandardMessage = StandardMessage

_DEPTH_LIMIT = 50
_LEAST_DEPTH_LIMIT = 8
_PARTS_LIMIT = 1000
_VALUE_LIMIT = 4096
_QUESTIONS_LIMIT = 5_000_000

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,120}")
_MULTIPART_DIGEST = "multipart/digest"

# The parameters that tell one meaning of a type from another (RFC 6522, RFC 6047).
_TELLING_PARAMETERS = ("report-type", "method")


class TooManyParts(Exception):
    """A mail of more than 1,000 parts; `root` holds those that were read."""

    def __init__(self, root: Part) -> None:
        super().__init__("more than 1,000 parts")
        self.root = root


class Part(_StandardMessage):
    """A part as the standard parser builds it, made to cut only multiparts, to a bounded depth.

    What the parser asks (`get_content_maintype`, `get_content_type`, `get_boundary`) is answered so that an enclosed
    message stays one opaque run of bytes: the parser would descend into it, and nothing here reads a stranger's
    enclosed mail as the mail itself. What callers ask is `declared_type` and the properties below.
    """

    def __init__(self, depth_limit: int = _DEPTH_LIMIT, policy: Policy[StandardMessage[str, str]] = compat32) -> None:
        super().__init__(policy)
        self.depth_limit = depth_limit
        self.root: Part = self
        self.depth = 0
        self.count = 1
        self.in_digest = False
        self._text: str | None = None
        self._parameters: dict[str, str] | None = None

    def attach(self, payload: Any) -> None:
        payload.root = self.root
        payload.depth = self.depth + 1
        payload.in_digest = self.declared_type == _MULTIPART_DIGEST
        super().attach(payload)
        self.root.count += 1
        if self.root.count > _PARTS_LIMIT:
            raise TooManyParts(self.root)

    def get(self, name: str, failobj: Any = None) -> Any:
        value = self.header(name)
        return failobj if value is None else value

    def get_content_maintype(self) -> str:
        return "multipart" if self.declared_type.startswith("multipart/") and self.depth < self.depth_limit else "text"

    def get_content_type(self) -> str:
        return "text/plain"

    def get_boundary(self, failobj: Any = None) -> Any:
        return self.content_parameters().get("boundary", "").rstrip() or failobj

    def header(self, name: str) -> str | None:
        """The first header `name`, unfolded, encoded words left alone, at most 4 KB; None if there is none."""
        for key, value in self.raw_items():
            if key.lower() == name:
                return unfold(value[:_VALUE_LIMIT])
        return None

    def content_parameters(self) -> dict[str, str]:
        # Asked for only once the part's headers are complete, so they can be kept.
        if self._parameters is None:
            self._parameters = parameters(self.header("content-type") or "")
        return self._parameters

    @property
    def declared_type(self) -> str:
        """The media type in lower case; the default of RFC 2045 section 5.2 (or 2046, 5.1.5) if it is none."""
        stated = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if _TYPE.fullmatch(stated):
            return stated
        return "message/rfc822" if self.in_digest and not stated else "text/plain"

    @property
    def telling_type(self) -> str:
        """The media type with the parameters that change its meaning, such as `; report-type=delivery-status`."""
        found = self.content_parameters()
        telling = [f"; {name}={found[name].strip().lower()}" for name in _TELLING_PARAMETERS if found.get(name)]
        return self.declared_type + "".join(telling)

    @property
    def disposition(self) -> str:
        """The word of Content-Disposition in lower case; "" without one."""
        return (self.header("content-disposition") or "").partition(";")[0].strip().lower()

    @property
    def file_name(self) -> str:
        """The name the sender gave the part, decoded but not made safe; "" if none."""
        named = parameters(self.header("content-disposition") or "").get("filename")
        return named or self.content_parameters().get("name", "")

    @property
    def content_id(self) -> str | None:
        return decode_words(self.header("content-id") or "").strip("<> ") or None

    @property
    def children(self) -> tuple[Part, ...]:
        """The parts inside; () if this is a leaf."""
        inside: object = self.get_payload() if self.is_multipart() else None
        return tuple(part for part in inside if isinstance(part, Part)) if isinstance(inside, list) else ()

    @property
    def is_broken_multipart(self) -> bool:
        """Said to be a multipart, but its boundary is missing or never occurs."""
        return self.get_content_maintype() == "multipart" and not self.children

    @property
    def too_deep(self) -> bool:
        return self.depth >= self.depth_limit and self.declared_type.startswith("multipart/")

    def content(self) -> bytes:
        """What a leaf holds, its transfer encoding taken off; b"" for a part with parts."""
        data = self.get_payload(decode=True)
        return data if isinstance(data, bytes) else b""

    def text(self) -> str:
        """A text leaf, decoded, with `\\n` line ends."""
        if self._text is None:
            self._text = clean_text(decode_text(self.content(), self.content_parameters().get("charset")))
        return self._text


def parse_parts(data: bytes) -> tuple[Part, tuple[str, ...]]:
    """The part tree of `data`, which begins at its first header, and the slugs of what was wrong.

    `too-many-parts` and `too-deep` mean that something was not read. May raise what the standard parser raises.
    """
    defects: list[str] = []
    # The standard parser asks every open multipart about every line: depth times lines is what a mail may cost.
    lines = 1 + data.count(b"\n") + data.count(b"\r")
    depth_limit = max(_LEAST_DEPTH_LIMIT, min(_DEPTH_LIMIT, _QUESTIONS_LIMIT // lines))
    try:
        root = BytesParser(partial(Part, depth_limit)).parsebytes(data)
    except TooManyParts as error:
        root = error.root
        defects.append("too-many-parts")
    for part in root.walk():
        defects.extend(_slug(type(defect).__name__) for defect in part.defects)
        if part.too_deep:
            defects.append("too-deep")
    return root, tuple(dict.fromkeys(defects))


def _slug(name: str) -> str:
    """`NoBoundaryInMultipartDefect` → `no-boundary-in-multipart`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name.removesuffix("Defect")).lower()
