"""What IMAP answers mean: FETCH data by UID, sets of UIDs, and words that ask to wait; holds no connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from imapclient.imap_utf7 import encode
from imapclient.response_parser import parse_fetch_response

from reconciler.core.fetch import Listed, Mark
from reconciler.core.health import Condition, Trouble
from reconciler.core.manners import asked, seconds_asked

_SET_LENGTH = 7_000
_STATUS_ITEM = re.compile(rb"(UIDVALIDITY|UIDNEXT) ([0-9]+)")


def asks_to_wait(text: str) -> bool:
    """Whether a server's NO or BYE says "later" rather than "never" (RFC 5530, RFC 9051 7.1; Gmail, Microsoft 365)."""
    return asked(text) is not None


def suggested_wait(text: str) -> float | None:
    """The seconds to wait, if the server names them or its words are known to mean so many."""
    return seconds_asked(text)


def in_uid_order(uids: Sequence[str]) -> list[str]:
    """The same UIDs, ascending, each once."""
    return sorted(set(uids), key=int)


def uid_set(uids: Sequence[str]) -> str:
    """UIDs as a sequence set (RFC 3501 section 9): ascending, neighbours as ranges, never a UID that is not given."""
    runs: list[tuple[int, int]] = []
    for uid in map(int, in_uid_order(uids)):
        if runs and uid == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], uid)
        else:
            runs.append((uid, uid))
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


def uid_groups(uids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The same UIDs, ascending, in groups whose sets fit into a command line (RFC 7162 section 4: 8192 octets)."""
    group: list[str] = []
    length, before = 0, -1
    for uid in in_uid_order(uids):
        # A run costs two numbers, however long it is.
        length += 0 if int(uid) == before + 1 else 2 * (len(uid) + 1)
        if length > _SET_LENGTH:
            yield group
            group, length = [], 2 * (len(uid) + 1)
        group.append(uid)
        before = int(uid)
    if group:
        yield group


def folder_argument(folder: str) -> str:
    """A folder's name as a quoted string in modified UTF-7 (RFC 3501 5.1.3)."""
    return quoted(encode(folder).decode("ascii"))


def quoted(text: str) -> str:
    """A quoted string (RFC 3501 section 9); `text` must be printable ASCII."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def fetched_by_uid(data: Sequence[Any]) -> dict[str, dict[bytes, Any]]:
    """FETCH data keyed by UID; data that names no UID is dropped, later data about the same UID completes the earlier.

    `data` is as imaplib gives it. Each response is read by itself: keyed by sequence number, unasked-for flags of one
    mail would end up at another whose UID is that number.
    """
    found: dict[str, dict[bytes, Any]] = {}
    for response in _responses(data):
        for items in parse_fetch_response(response, normalise_times=False, uid_is_key=False).values():
            uid = items.get(b"UID")
            if isinstance(uid, int):
                of_uid = found.setdefault(str(uid), {})
                # Of two bodies the one with something in it counts.
                of_uid.update((name, value or of_uid.get(name, value)) for name, value in items.items())
    return found


def _responses(data: Sequence[Any]) -> Iterator[list[Any]]:
    response: list[Any] = []
    for part in data:
        if part is None:
            continue
        response.append(part)
        # A tuple is a line that ends in a literal, and the literal; the bytes after the last literal end the response.
        if isinstance(part, bytes):
            yield response
            response = []


def mark_of(where: str, folder: str, parts: Sequence[bytes]) -> Mark:
    """What a STATUS answer tells of where the folder's next mail will stand; its text is cut where literals stood.

    Raises Trouble(PROTOCOL_ERROR) if it does not name UIDVALIDITY.
    """
    items = dict(_STATUS_ITEM.findall(b" ".join(parts).rpartition(b"(")[2].upper()))
    if not int(items.get(b"UIDVALIDITY", 0)):
        raise Trouble(Condition.PROTOCOL_ERROR, f"{where} tells no UIDVALIDITY for {folder}; nothing is moved there")
    return Mark(folder, int(items[b"UIDVALIDITY"]), int(items.get(b"UIDNEXT", 1)))


def listed(uid: str, items: Mapping[bytes, Any]) -> Listed:
    """One mail of a listing from its FETCH data."""
    size, when = items.get(b"RFC822.SIZE"), items.get(b"INTERNALDATE")
    return Listed(
        uid=uid,
        size=size if isinstance(size, int) else None,
        internal_date=when.astimezone(UTC) if isinstance(when, datetime) else None,
        seen=any(flag.lower() == b"\\seen" for flag in items.get(b"FLAGS") or ()),
    )
