"""How many connections a mail server lets us have at once, learnt from its refusals; no clock and no connection."""

from __future__ import annotations

from dataclasses import dataclass, replace

RAISED_EVERY = 600.0
"""Seconds without a refusal after which one connection more is tried; what was seen to work is believed as long."""


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """What is known of a server. `most` None: it has refused nothing yet. Instants are in seconds of a steady clock.

    `since`: when `most` was learnt or last raised. `taught_by`: the account whose refusal that was. `seen`: a number of
    connections that was open at once, lately, at `seen_at`.
    """

    most: int | None = None
    since: float = 0.0
    taught_by: int | None = None
    seen: int = 0
    seen_at: float = 0.0


def at(limit: ConnectionLimit, now: float) -> ConnectionLimit:
    """The limit as it is now: one more for each while without a refusal."""
    if limit.most is None:
        return limit
    passed = max(0, int((now - limit.since) / RAISED_EVERY))
    return replace(limit, most=limit.most + passed, since=limit.since + passed * RAISED_EVERY)


def opened(limit: ConnectionLimit, count: int, now: float) -> ConnectionLimit:
    """The server has let in one more; `count` are open now, which it takes at least."""
    limit = at(limit, now)
    if count >= limit.seen or now - limit.seen_at >= RAISED_EVERY:
        limit = replace(limit, seen=count, seen_at=now)
    if limit.most is not None and count > limit.most:
        limit = replace(limit, most=count, since=now)
    return limit


def refused(limit: ConnectionLimit, account: int, count: int, now: float) -> ConnectionLimit:
    """The server has refused this account because of too many connections, while `count` of ours were open.

    So many are enough from now on, at least one, and at least what it was seen to take lately: fewer may be open only
    because room was made for this one. An account that is refused again and again while others are let in has taught
    what it can: the trouble is its own, as where another program uses up a limit per user.
    """
    limit = at(limit, now)
    if limit.most is not None and limit.taught_by == account:
        return limit
    lately = limit.seen if now - limit.seen_at < RAISED_EVERY else 0
    most = max(1, count, lately)
    return replace(limit, most=most if limit.most is None else min(most, limit.most), since=now, taught_by=account)
