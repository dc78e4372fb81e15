"""Whether a UID still means the mail that was stored under it, where no UIDVALIDITY vouches for that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TELLING = (b"message-id", b"date", b"from", b"to", b"subject", b"received")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:((?:.*(?:\r?\n[ \t].*)*))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored mail as the ledger has it. `taken_away`: it was to be deleted or moved, and the server confirmed it."""

    uid: str
    size: int
    acknowledged: bool
    taken_away: bool


def doubtful(stored: Iterable[Stored], present: Mapping[str, int | None]) -> tuple[str, ...]:
    """The UIDs on the server that may have come to mean another mail, those still to be acknowledged first.

    They are those about to be told of (a deletion that hits another mail loses it), those that should be gone, and
    those of another size.
    """
    there = [mail for mail in stored if mail.uid in present]
    suspects = [m for m in there if not m.acknowledged or m.taken_away or present[m.uid] not in (None, m.size)]
    return tuple(mail.uid for mail in sorted(suspects, key=lambda mail: mail.acknowledged))


def is_same_mail(stored: bytes, shown: bytes) -> bool:
    """Whether two heads are one mail's: servers add fields of their own, but leave those that tell mails apart."""
    return _telling(stored) == _telling(shown)


def already_there(stored: Mapping[str, bytes], shown: Iterable[bytes]) -> frozenset[str]:
    """Which stored mails the heads of a folder show, by UID; of several alike as many as are shown."""
    heads = Counter(tuple(_telling(head)) for head in shown)
    found: set[str] = set()
    for uid, raw in stored.items():
        head = tuple(_telling(raw))
        if raw and heads[head]:
            heads[head] -= 1
            found.add(uid)
    return frozenset(found)


def _telling(raw: bytes) -> list[tuple[bytes, bytes]]:
    end = _HEAD_END.search(raw)
    head = raw[: end.start()] if end is not None else raw
    fields = ((name.lower(), b" ".join(value.split())) for name, value in _FIELD.findall(head))
    return [(name, value) for name, value in fields if name in _TELLING]
