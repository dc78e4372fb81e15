"""Which mails one step takes from one account: the listing a door gives, and the choice made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Literal

StartRule = Literal["now", "unseen", "all"] | date


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail that waits on the server and is not in the ledger. `size` in bytes; None where the server did not say."""

    uid: str
    size: int | None = None
    internal_date: datetime | None = None
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a folder's next mail will stand: what has a lower UID was there before."""

    folder: str
    uidvalidity: int
    next_uid: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What one folder holds that the ledger does not, oldest first.

    `uidvalidity` is 0 for protocols without one; then `present` has the size of every mail that is there, known ones
    too, by UID (None: not told), so that a UID that came to mean another mail can be found out. `ambiguous` are UIDs
    that stand for several mails or cannot be kept: none of those mails is in `mails`. `dated` is False where the
    protocol tells no dates. `next_uid` is the UID the next mail gets (UIDNEXT), None where the server does not say.
    """

    folder: str
    uidvalidity: int
    mails: tuple[Listed, ...]
    present: Mapping[str, int | None] = field(default_factory=dict)
    ambiguous: frozenset[str] = frozenset()
    dated: bool = True
    next_uid: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as the server gave it: identity (folder, uidvalidity, uid) and raw bytes."""

    folder: str
    uidvalidity: int
    uid: str
    raw: bytes
    internal_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a step takes, what waits for later steps, what is left behind for ever, and what is too large to take.

    `eligible` are all mails that are to be taken, now or later, oldest first.
    """

    take: tuple[Listed, ...]
    backlog: int
    left_behind: tuple[str, ...]
    too_large: tuple[str, ...]
    cut_by_bytes: bool = False
    eligible: tuple[Listed, ...] = ()


def floor_of(start: StartRule, applied_at: datetime) -> datetime | None:
    """The instant before which mail is left behind; None if the rule knows no such instant (`all`, `unseen`)."""
    if start == "now":
        return applied_at.astimezone(UTC).replace(microsecond=0)
    if isinstance(start, date):
        return datetime.combine(start, time.min, tzinfo=UTC)
    return None


def is_left_behind(
    mail: Listed, start: StartRule, floor: datetime | None, first_contact: bool, *, dated: bool = True
) -> bool:
    """Whether the account's `start` rule leaves this mail on the server untouched.

    `unseen` looks at the flag at first contact only: afterwards a mail opened in a client is still fetched.
    A mail whose date the server does not tell is taken: nothing is lost for want of a date. Where the protocol knows
    no dates (`dated` False), `now` leaves what is there at first contact.
    """
    if start == "now" and not dated:
        return first_contact
    if start == "unseen":
        return first_contact and mail.seen
    return floor is not None and mail.internal_date is not None and mail.internal_date < floor


def choose(
    mails: Sequence[Listed],
    *,
    weight: int,
    max_step_bytes: int,
    max_mail_bytes: int,
    start: StartRule,
    floor: datetime | None,
    first_contact: bool,
    dated: bool = True,
) -> Choice:
    """Decide one step: at most `weight` mails, oldest first, bounded in bytes; the first one always fits."""
    left = tuple(m.uid for m in mails if is_left_behind(m, start, floor, first_contact, dated=dated))
    behind = frozenset(left)
    too_large = tuple(m.uid for m in mails if m.uid not in behind and (m.size or 0) > max_mail_bytes)
    skipped = behind.union(too_large)
    eligible = [m for m in mails if m.uid not in skipped]
    first = eligible[:weight]
    take = first[: fitting(first, max_step_bytes)]
    cut = len(take) < len(first)
    return Choice(tuple(take), len(eligible) - len(take), left, too_large, cut, tuple(eligible))


def fitting(mails: Sequence[Listed], max_step_bytes: int) -> int:
    """How many of these, from the first, fit into a step; the first one always does."""
    total = 0
    for number, mail in enumerate(mails):
        total += mail.size or 0
        if number and total > max_step_bytes:
            return number
    return len(mails)


@dataclass(frozen=True, slots=True)
class StepLine:
    """What is told of a step, in the order of the machine output's keys; `tenant` is None for a main account.

    `backlog` is None where it is not known; `seconds` is the step's wall time; `error` is `Condition: reason` or None.
    """

    cycle: int
    tenant: str | None
    account: str
    protocol: str
    taken: int
    backlog: int | None
    seconds: float
    error: str | None


NOT_FETCHED = "NotFetched"
"""Stands for the condition in `error` of an account that is to have a step and gets none, for nobody fetches it."""
