"""IMAP on the wire, without I/O: bytes in, whole responses out (RFC 3501 section 9); knows the grammar, no command.

Linear in what it is given, and bounded in what it keeps: hostile input is a WireError, never a hang.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Value = bytes | list["Value"] | None
"""A token of a response: an atom, number or string as bytes, a list, or NIL."""

MOST_LINE = 64 * 1024
MOST_SEARCH_LINE = 16 * 1024 * 1024
"""A SEARCH answer is one line whatever the folder holds; two million UIDs fit."""
_MOST_DEPTH = 20
_MOST_LITERALS = 1000

_LITERAL = re.compile(rb"\{([0-9]{1,12})\+?\}\Z")
_STATUS = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
_CODE = re.compile(rb"\[([^\s\]]{1,64})(?: ([^\]]{0,500}))?\]")
_TOKEN = re.compile(rb' *(?:([()])|"((?:[^"\\]|\\.)*)"|((?:\[[^\]]{0,200}\]|[^\s()"])+))')
_ESCAPED = re.compile(rb"\\(.)")


class WireError(ValueError):
    """What came is no IMAP; the text says in which way."""


@dataclass(frozen=True, slots=True)
class Response:
    """One whole response: its tag (`*` untagged, `+` a continuation) and the rest, cut where literals stood.

    `parts` alternates between text and literal and begins and ends with text.
    """

    tag: bytes
    parts: tuple[bytes, ...]

    @property
    def text(self) -> bytes:
        """The text up to the first literal."""
        return self.parts[0]

    @property
    def word(self) -> bytes:
        """The first word, in capitals."""
        return self.parts[0].partition(b" ")[0].upper()

    @property
    def numbered(self) -> tuple[int, bytes] | None:
        """The number and the word of `* 12 EXISTS` and its like; None for anything else."""
        number, _, rest = self.parts[0].partition(b" ")
        if not number.isdigit() or len(number) > 10:
            return None
        return int(number), rest.partition(b" ")[0].upper()

    @property
    def code(self) -> tuple[bytes, bytes] | None:
        """The response code of a status response and its argument (RFC 3501 7.1): `[UIDVALIDITY 7]`."""
        found = _CODE.match(self.parts[0].partition(b" ")[2])
        return (found[1].upper(), found[2] or b"") if found else None

    def values(self, words: int) -> list[Value]:
        """The tokens after so many words. Raises WireError if they are torn or nested too deep."""
        first = self.parts[0].split(b" ", words)
        if len(first) <= words:
            return []
        stack: list[list[Value]] = [[]]
        for number, part in enumerate((first[words], *self.parts[1:])):
            if number % 2:
                stack[-1].append(part)
            else:
                _tokens(part, stack)
        if len(stack) != 1:
            raise WireError("a list is not closed")
        return stack[0]


def _tokens(text: bytes, stack: list[list[Value]]) -> None:
    position, end = 0, len(text.rstrip(b" "))
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise WireError("a response that cannot be read")
        position = found.end()
        bracket, quoted, atom = found.groups()
        if bracket == b"(":
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
            if len(stack) > _MOST_DEPTH:
                raise WireError("lists nested too deep")
        elif bracket:
            stack.pop()
            if not stack:
                raise WireError("a list is closed that was not opened")
        elif quoted is not None:
            stack[-1].append(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
        else:
            stack[-1].append(None if atom.upper() == b"NIL" else atom)


class Wire:
    """Cuts what a server says into responses. `most_literal` bounds a literal in bytes and may be set at any time."""

    def __init__(self, most_literal: int = MOST_LINE) -> None:
        self.most_literal = most_literal
        self._buffer = bytearray()
        self._searched = 0
        self._parts: list[bytes] = []
        self._literal: int | None = None
        self._line_bytes = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Take what came."""
        self._buffer += data

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left of what came."""
        return not self._buffer and not self._parts

    @property
    def kept(self) -> int:
        """How many bytes are held for a response that is not whole yet."""
        return len(self._buffer) + sum(map(len, self._parts))

    def next(self) -> Response | None:
        """The next whole response; None if more has to come first. Raises WireError."""
        while True:
            if self._literal is not None:
                if len(self._buffer) < self._literal:
                    return None
                self._parts.append(self._cut(self._literal, self._literal))
                self._literal = None
            line = self._line()
            if line is None:
                return None
            self._parts.append(line)
            if (size := self._announced(line)) is None:
                return self._whole()
            if size > self.most_literal or len(self._parts) > 2 * _MOST_LITERALS:
                raise WireError(f"a literal of {size} bytes, more than was asked for")
            self._parts[-1] = line[: line.rindex(b"{")].removesuffix(b"~")
            self._literal = size

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        self._bound(len(self._buffer) if end < 0 else end)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        self._searched = 0
        self._line_bytes += end
        return self._cut(end - 1 if end and self._buffer[end - 1] == 13 else end, end + 1)

    def _bound(self, end: int) -> None:
        total = self._line_bytes + end
        if total > MOST_LINE:
            is_search = not self._parts and self._buffer[:9].upper() == b"* SEARCH "
            if not is_search or total > MOST_SEARCH_LINE:
                raise WireError("a line without end")

    def _cut(self, taken: int, removed: int) -> bytes:
        with memoryview(self._buffer) as view:
            data = bytes(view[:taken])
        del self._buffer[:removed]
        return data

    def _announced(self, line: bytes) -> int | None:
        """The size of the literal that this line ends in; a status response is text to its end."""
        if not line.endswith(b"}"):
            return None
        start = self._parts[0].split(b" ", 2)
        if start[0] != b"*" or (len(start) > 1 and start[1].upper() in _STATUS):
            return None
        found = _LITERAL.search(line[-16:])
        return int(found[1]) if found else None

    def _whole(self) -> Response:
        tag, _, text = self._parts[0].partition(b" ")
        response = Response(tag, (text, *self._parts[1:]))
        self._parts, self._line_bytes = [], 0
        return response
