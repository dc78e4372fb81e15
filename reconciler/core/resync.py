"""Finds the mails that are known among those a folder shows under new UIDs; decides, asks no server."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.core.fetch import Listed, Listing, StartRule

A_FEW = 5
"""So many mails that match nothing known are taken as new by themselves; with more a person decides."""

_MOST_HEADER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Remembered:
    """A mail of the ledger: its row, what the server told of it then, and the SHA-256 of its bytes."""

    row: int
    uid: str
    size: int
    internal_date: datetime | None
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What a first comparison came to: rows by their new UID, UIDs that only their bodies can tell, unknown ones."""

    same: Mapping[str, int]
    ambiguous: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a folder and the ledger have in common.

    `was` and `now` are its UIDVALIDITY before and after, equal where only UIDs came to mean other mails. `same` has the
    rows of known mails by their new UID, `gone` counts the known mails that are not there, `left` are the UIDs that the
    start rule leaves, `unknown` the mails that match nothing. `stale`: only these UIDs mean other mails; None: all do.
    `in_place`: after all no UID means another mail than before.
    """

    folder: str
    was: int
    now: int
    same: Mapping[str, int]
    gone: int
    left: frozenset[str]
    unknown: tuple[Listed, ...]
    stale: frozenset[str] | None = None
    in_place: bool = False

    @property
    def needs_decision(self) -> bool:
        """Whether a person decides; a few unknown mails are new ones, unless they hide behind ids that were in use."""
        return len(self.unknown) > A_FEW or self.stale is not None

    @property
    def summary(self) -> str:
        """What was found, for a text."""
        where = self.folder or "the mailbox"
        if self.stale is not None:
            return f"{where}: {len(self.stale)} ids of mails fetched before stand for other mails"
        what = f"UIDVALIDITY changed from {self.was} to {self.now}" if self.was != self.now else "UIDs were given anew"
        return f"{where}: {what}; {len(self.same)} mails are known, {len(self.unknown)} match nothing"


def header_digest(raw: bytes) -> bytes:
    """SHA-256 of a mail's header lines, whatever their line ends; what follows the first empty line does not count."""
    lines: list[bytes] = []
    for line in raw[:_MOST_HEADER_BYTES].replace(b"\r\n", b"\n").split(b"\n"):
        if not line.strip():
            break
        lines.append(line.rstrip())
    return hashlib.sha256(b"\n".join(lines)).digest()


def worth_a_look(mails: Iterable[Listed], remembered: Iterable[Remembered]) -> tuple[tuple[Listed, ...], set[int]]:
    """The mails that share size or date with a known one, and the rows of those: only their headers are compared."""
    by_size: dict[int, set[int]] = defaultdict(set)
    by_date: dict[int, set[int]] = defaultdict(set)
    for one in remembered:
        by_size[one.size].add(one.row)
        if one.internal_date is not None:
            by_date[_second(one.internal_date)].add(one.row)
    looked: list[Listed] = []
    rows: set[int] = set()
    for mail in mails:
        alike = by_size.get(mail.size, set()) if mail.size is not None else set()
        if mail.internal_date is not None:
            alike = alike | by_date.get(_second(mail.internal_date), set())
        if alike:
            looked.append(mail)
            rows |= alike
    return tuple(looked), rows


def compare(
    mails: Sequence[Listed],
    heads: Mapping[str, bytes],
    remembered: Sequence[Remembered],
    known_heads: Mapping[int, bytes],
) -> Found:
    """Match by size, INTERNALDATE and header digest; `heads` has digests by UID, `known_heads` by row.

    Mails that agree in all three are one mail unless there are more of them than are known, or the known ones differ
    in their bytes. Who agrees only in part is ambiguous.
    """
    known: dict[tuple[int | None, int | None, bytes | None], list[Remembered]] = defaultdict(list)
    for one in remembered:
        if (head := known_heads.get(one.row)) is not None:
            known[one.size, _date(one.internal_date), head].append(one)
    shown: dict[tuple[int | None, int | None, bytes | None], list[str]] = defaultdict(list)
    for mail in mails:
        shown[mail.size, _date(mail.internal_date), heads.get(mail.uid)].append(mail.uid)
    by_head, by_place = {key[2] for key in known}, {key[:2] for key in known}
    same: dict[str, int] = {}
    ambiguous: list[str] = []
    unknown: list[str] = []
    for key, uids in shown.items():
        candidates = known.get(key, [])
        if candidates and len(uids) <= len(candidates) and len({one.sha256 for one in candidates}) == 1:
            same |= {uid: one.row for uid, one in zip(uids, candidates, strict=False)}
        elif candidates or key[2] in by_head or key[:2] in by_place:
            ambiguous += uids
        else:
            unknown += uids
    return Found(same, tuple(ambiguous), tuple(unknown))


def settle(found: Found, remembered: Sequence[Remembered], contents: Mapping[str, bytes]) -> Found:
    """Decide the ambiguous mails by the SHA-256 of their bytes: equal bytes match as often as they are known.

    `contents` has it by UID; a mail that is not in it has vanished and is in no part of the answer.
    """
    taken = set(found.same.values())
    left: dict[bytes, list[int]] = defaultdict(list)
    for one in reversed(remembered):
        if one.row not in taken:
            left[one.sha256].append(one.row)
    same = dict(found.same)
    unknown = list(found.unknown)
    for uid in found.ambiguous:
        if uid not in contents:
            continue
        if rows := left.get(contents[uid]):
            same[uid] = rows.pop()
        else:
            unknown.append(uid)
    return Found(same, (), tuple(unknown))


def left_behind_again(
    unknown: Sequence[Listed], start: StartRule, floor: datetime | None, first_contact: datetime, were_left: int
) -> frozenset[str]:
    """Which unknown mails the `start` rule has left on the server already.

    A floor outlives UIDs. `unseen` looked at a flag at first contact: what was seen and is older counts as left then,
    unless there are more of these than were left; then nobody can tell, and they stay unknown.
    """
    if floor is not None:
        return frozenset(m.uid for m in unknown if m.internal_date is not None and m.internal_date < floor)
    if start != "unseen":
        return frozenset()
    older = [m.uid for m in unknown if m.seen and m.internal_date is not None and m.internal_date < first_contact]
    return frozenset(older) if len(older) <= were_left else frozenset()


def _date(when: datetime | None) -> int | None:
    return None if when is None else _second(when)


def _second(when: datetime) -> int:
    return int(when.astimezone(UTC).timestamp())


def is_renumbered(was: int, listing: Listing, known: Collection[str]) -> bool:
    """Whether the folder gives its UIDs out anew: UIDVALIDITY is another, or the next UID is one that is in use.

    A UID is never given out twice (RFC 3501 2.3.1.1); servers that lost their index or were restored do so.
    """
    if was != listing.uidvalidity:
        return True
    if not listing.uidvalidity or listing.next_uid is None:
        return False
    return max((int(uid) for uid in known if uid.isdecimal()), default=0) >= listing.next_uid
