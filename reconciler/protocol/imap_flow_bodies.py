"""What an IMAP flow reads of mails: sizes and dates, headers, whole bodies, and large ones in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone

from reconciler.core.fetch import Listed
from reconciler.protocol.base import Flow
from reconciler.protocol.imap_answers import uid_set
from reconciler.protocol.imap_talk import Items, Talk
from reconciler.protocol.imap_wire import MOST_LINE

PIECE = 2 * 1024 * 1024
"""Bytes of a mail that are asked for at once; a larger mail comes in so large pieces."""
_BYTES_PER_FETCH = 4 * 1024 * 1024
_MOST_UIDS = 500
_SLACK = 1024 * 1024
_MOST_UNKNOWN = 64 * 1024 * 1024
_MOST_HEADER = 4 * 1024 * 1024

_DATE = re.compile(
    rb" ?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
_MONTHS = {m: n for n, m in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}


class Described:
    """Collects mails of a listing by UID."""

    most_literal = MOST_LINE

    def __init__(self) -> None:
        self.mails: dict[int, Listed] = {}

    def take(self, uid: str, items: Items) -> None:
        """See `Talk.on_fetch`; what says nothing of the size completes what did, and nothing else."""
        size, flags = items.get(b"RFC822.SIZE"), items.get(b"FLAGS")
        if b"RFC822.SIZE" not in items and b"INTERNALDATE" not in items:
            return
        known = isinstance(size, bytes) and size.isdigit()
        seen = isinstance(flags, list) and any(isinstance(f, bytes) and f.lower() == b"\\seen" for f in flags)
        self.mails[int(uid)] = Listed(
            uid, int(size) if known and isinstance(size, bytes) else None, _date(items.get(b"INTERNALDATE")), seen
        )


class Heads:
    """Collects the headers of these mails."""

    most_literal = _MOST_HEADER

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self.heads: dict[str, bytes] = {}

    def take(self, uid: str, items: Items) -> None:
        """See `Talk.on_fetch`."""
        head = items.get(b"BODY[HEADER]")
        if uid in self._wanted and isinstance(head, bytes) and head:
            self.heads[uid] = head


class _Bodies:
    """Collects bodies of these mails; of two for one mail the one with something in it counts."""

    def __init__(self, wanted: frozenset[str], item: bytes) -> None:
        self._wanted, self._item = wanted, item
        self.bodies: dict[str, bytes] = {}

    def take(self, uid: str, items: Items) -> None:
        """See `Talk.on_fetch`."""
        if uid not in self._wanted or self._item not in items:
            return
        body = items[self._item]
        raw = body if isinstance(body, bytes) else b""
        self.bodies[uid] = raw or self.bodies.get(uid, b"")


def bodies(talk: Talk, mails: Sequence[Listed], *, pipelines: bool) -> Flow[Mapping[str, bytes]]:
    """The mails by UID, without those that vanished; b"" for one the server gave nothing for."""
    small = [mail for mail in mails if mail.size is not None and mail.size <= PIECE]
    found = (yield from _whole(talk, small, pipelines=pipelines)) if small else {}
    for mail in mails:
        if mail.size is None or mail.size > PIECE:
            raw = yield from _in_pieces(talk, mail)
            if raw is not None:
                found[mail.uid] = raw
    talk.on_fetch, talk.wire.most_literal = None, MOST_LINE
    return found


def _whole(talk: Talk, mails: Sequence[Listed], *, pipelines: bool) -> Flow[dict[str, bytes]]:
    into = _Bodies(frozenset(mail.uid for mail in mails), b"BODY[]")
    talk.on_fetch = into.take
    talk.wire.most_literal = 2 * max(mail.size or 0 for mail in mails) + _SLACK
    tags: list[bytes] = []
    for group in _groups(mails):
        tags.append(talk.say(f"UID FETCH {uid_set([mail.uid for mail in group])} (BODY.PEEK[])"))
        if not pipelines:
            yield from talk.done(tags.pop(), "fetch mails")
    for tag in tags:
        yield from talk.done(tag, "fetch mails")
    return into.bodies


def _in_pieces(talk: Talk, mail: Listed) -> Flow[bytes | None]:
    """One large mail, or one of unknown size; None if it vanished. The size that was told is a hint, never the end."""
    most = _MOST_UNKNOWN if mail.size is None else 2 * mail.size + _SLACK
    talk.wire.most_literal = PIECE
    body = bytearray()
    while True:
        into = _Bodies(frozenset({mail.uid}), b"BODY[]<%d>" % len(body))
        talk.on_fetch = into.take
        command = f"UID FETCH {mail.uid} (BODY.PEEK[]<{len(body)}.{PIECE}>)"
        yield from talk.done(talk.say(command), "fetch a mail")
        piece = into.bodies.get(mail.uid)
        if piece is None:
            # Half of a mail is none: whether it vanished meanwhile is asked where nothing came.
            return b"" if body else None
        body += piece
        if not piece or len(body) == mail.size:
            return bytes(body)
        if len(body) > most:
            raise talk.nonsense(f"fetch UID {mail.uid}, a mail without end")


def _groups(mails: Sequence[Listed]) -> Iterator[Sequence[Listed]]:
    """Groups of mails that are fetched at once: bounded in number and bytes."""
    first = total = 0
    for position, mail in enumerate(mails):
        size = mail.size or 0
        if position > first and (total + size > _BYTES_PER_FETCH or position - first == _MOST_UIDS):
            yield mails[first:position]
            first, total = position, 0
        total += size
    yield mails[first:]


def _date(value: object) -> datetime | None:
    """INTERNALDATE in UTC; None for what is no date."""
    found = _DATE.fullmatch(value) if isinstance(value, bytes) else None
    if found is None:
        return None
    day, month, *rest, sign, hours, minutes = found.groups()
    year, hour, minute, second = map(int, rest)
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == b"-" else 1)
    try:
        local = datetime(year, _MONTHS[month.lower()], int(day), hour, minute, second, tzinfo=timezone(offset))
        return local.astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        return None
