"""Knows mailboxes: a name and an address as they stand in From, To or Delivered-To; knows nothing of accounts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from reconciler.core.header_text import decode_words

_USABLE = re.compile(
    r"""(?:[^\s@"(),:;<>\[\]\\\x00-\x1f\x7f]{1,200}|"(?:[^"\\\r\n]|\\.){1,200}")"""
    r"""@(?:[^\s@"'(),:;<>\[\]\\/\x00-\x1f\x7f]{1,255}|\[[0-9A-Fa-f.:IPv]{3,60}\])"""
)


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox. `name` is the decoded display name, "" if none; `address` as written, "" if unusable."""

    name: str
    address: str

    @property
    def key(self) -> str:
        """What two writings of one mailbox share: lower case, without the `+…` of the local part."""
        local, at, domain = self.address.lower().rpartition("@")
        plain = local.partition("+")[0] or local
        return f"{plain}{at}{domain}"

    @property
    def domain(self) -> str:
        """The part after the @ in lower case; "" without one."""
        _, at, domain = self.address.lower().rpartition("@")
        return domain if at else ""


def mailboxes(line: str) -> tuple[Address, ...]:
    """The usable mailboxes of an unfolded address header (RFC 5322 section 3.4), in order; what is none is left out.

    The structure is read before encoded words are decoded, so a name cannot smuggle in an address; only a value that
    holds no mailbox at all is decoded first and tried once more.
    """
    found = _read(line)
    if not found and "=?" in line:
        found = _read(decode_words(line))
    return tuple(found)


def is_usable(address: str) -> bool:
    """Whether `address` could be written to: local part, @, domain, no blanks, controls or list punctuation."""
    return _USABLE.fullmatch(address) is not None


@dataclass(slots=True)
class _Pending:
    """The mailbox being read: words (and if quoted), comments, the bracketed text; complete once it has an @."""

    words: list[tuple[str, bool]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angle: str | None = None
    complete: bool = False

    def mailbox(self) -> Address | None:
        if self.angle is not None:
            # `<@relay,@relay:user@host>` is the source route of RFC 5321 appendix C; only the end of it counts.
            inner = self.angle.strip()
            address = inner.rpartition(":")[2] if inner.startswith("@") else inner
            name = " ".join(word for word, _ in self.words)
        else:
            address, name = self._bare()
        if not is_usable(address):
            return None
        name = " ".join(name.split()).strip(" ,") or " ".join(self.comments)
        return Address(decode_words(name).strip("\"' "), address)

    def _bare(self) -> tuple[str, str]:
        """The address and the rest of a mailbox without brackets; "" unless exactly one word is an address."""
        candidates: list[str] = []
        rest: list[str] = []
        before = ""
        for word, quoted in self.words:
            for piece in [word] if quoted else word.split():
                local = f'"{before}"' if before and piece.startswith("@") else ""
                if not quoted and is_usable(local + piece):
                    candidates.append(local + piece)
                    rest = rest[:-1] if local else rest
                else:
                    rest.append(piece)
            before = word if quoted else ""
        return (candidates[0] if len(candidates) == 1 else ""), " ".join(rest)


# One token: quoted string, comment without nesting, bracketed address, a separator, or a run of anything else.
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)("|\\?$)|\(([^()]*)\)|<([^<>]*)>|([,;:])|([^"(<,;:]+|.)', re.DOTALL)


def _read(line: str) -> list[Address]:
    found: list[Address] = []
    pending = _Pending()
    for quoted, end, comment, angle, separator, word in (token.groups() for token in _TOKEN.finditer(line)):
        if quoted is not None and end != '"':
            return _read(line.replace('"', ""))
        if (angle is not None and pending.angle is not None) or (separator in (",", ";") and pending.complete):
            found.extend(filter(None, [pending.mailbox()]))
            pending = _Pending()
        if quoted is not None:
            pending.words.append((re.sub(r"\\(.)", r"\1", quoted), True))
        elif comment is not None:
            pending.comments.append(comment.strip())
        elif angle is not None:
            pending.angle, pending.complete = angle, True
        elif word is not None:
            pending.words.append((word, False))
            pending.complete = pending.complete or "@" in word
        elif separator == "," and pending.words:
            # `Muster, Petra <p@host>`: a comma in a name somebody forgot to quote.
            pending.words[-1] = (pending.words[-1][0].rstrip() + ",", pending.words[-1][1])
        else:
            # `Group:` and `;` of RFC 5322 section 3.4, and the `mailto:` some senders leave in.
            pending = _Pending()
    found.extend(filter(None, [pending.mailbox()]))
    return found
