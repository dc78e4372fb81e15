"""Suspensions: fetching or sending that a person stopped for a while, for what, why and until when; knows no store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from reconciler.core.errors import Invalid
from reconciler.core.settings import parse_duration

USUAL = timedelta(days=1)
"""How long a suspension lasts if nobody says: it must end by itself (docs/decisions, suspensions expire)."""

LONGEST = timedelta(days=30)
"""What is to rest for longer is `enabled: false` in its file, where everybody sees it."""

EVERYTHING = "all"

_TARGET = re.compile(r"(?P<unit>[a-z0-9-]{1,40})(?P<slash>/(?P<account>[a-z0-9~-]{1,60})?)?")


class Activity(StrEnum):
    """What can be suspended."""

    FETCHING = "fetching"
    SENDING = "sending"


@dataclass(frozen=True, slots=True)
class Target:
    """What a command is about: everything (`unit` None), a tenant or `main` (`account` None), or one account."""

    unit: str | None = None
    account: str | None = None

    def __str__(self) -> str:
        if self.unit is None:
            return EVERYTHING
        if self.account is None:
            return f"{self.unit}/" if self.unit == EVERYTHING else self.unit
        return f"{self.unit}/{self.account}"


def parse_target(text: str) -> Target:
    """`all`, `TENANT`, or `TENANT/ID`; `all/` is a tenant of that name. Raises Invalid."""
    match = _TARGET.fullmatch(text)
    if match is None:
        raise Invalid(f"{text!r} names no account and no tenant; write TENANT/ID, TENANT, main, or all")
    if text == EVERYTHING:
        return Target()
    return Target(match["unit"], match["account"])


@dataclass(frozen=True, slots=True)
class Suspension:
    """One suspension, past or in force. `account_key` is the account's identity for life; None unless it is about one.

    `ended_at` None: nobody ended it, so it is over at `until`.
    """

    id: int
    activity: Activity
    target: Target
    account_key: int | None
    reason: str
    by: str
    since: datetime
    until: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether it stops anything now."""
        return self.ended_at is None and now < self.until

    def covers(self, key: int, unit: str) -> bool:
        """Whether the account with this key, of this unit, is meant."""
        if self.target.unit is None:
            return True
        return self.account_key == key if self.account_key is not None else self.target.unit == unit

    @property
    def sentence(self) -> str:
        """What is suspended, until when, by whom and why."""
        until = self.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{self.activity} of {self.target} is suspended until {until} by {self.by}: {self.reason}"


class HasUnit(Protocol):
    """An account as far as a suspension cares."""

    @property
    def unit(self) -> str:
        """The tenant, or `main`."""


A = TypeVar("A", bound=HasUnit)


def fetchable(accounts: Mapping[int, A], suspensions: Iterable[Suspension]) -> dict[int, A]:
    """The accounts by key whose fetching none of these suspensions, all in force, stops."""
    stopping = [s for s in suspensions if s.activity is Activity.FETCHING]
    return {key: a for key, a in accounts.items() if not any(s.covers(key, a.unit) for s in stopping)}


def suspended(suspensions: Iterable[Suspension], key: int, unit: str) -> frozenset[Activity]:
    """What these suspensions, all in force, stop of one account."""
    return frozenset(s.activity for s in suspensions if s.covers(key, unit))


def until_of(now: datetime, until: str | None, lasting: str | None) -> datetime:
    """When a suspension that begins now ends: `until` (ISO 8601, UTC without a zone), `lasting` (`90m`), or USUAL.

    Raises Invalid for what cannot be read, lies in the past, or is later than LONGEST.
    """
    if until is not None and lasting is not None:
        raise Invalid("--until and --for exclude each other")
    if until is not None:
        ends = _instant(until)
    elif lasting is not None:
        ends = now + _duration(lasting)
    else:
        ends = now + USUAL
    if ends <= now:
        raise Invalid("that would be over before it begins; write an instant to come")
    if ends > now + LONGEST:
        raise Invalid(
            f"that is more than {LONGEST.days} days and would be forgotten; renew it in time, or say it in the files: "
            "`enabled: false` rests an account for good"
        )
    return ends


def _instant(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"--until {text!r}: write an instant such as 2026-01-31T18:00Z") from error
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def _duration(text: str) -> timedelta:
    try:
        read = parse_duration(text)
    except ValueError as error:
        raise Invalid(f"--for {text!r}: write a whole number and a unit, such as 90m, 2h or 3d") from error
    assert isinstance(read, timedelta)
    return read
