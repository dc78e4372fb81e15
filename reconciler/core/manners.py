"""What mail servers say when they want to be left alone for a while, and how long that is; a table with its sources."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manner:
    """A way to ask for patience: what is looked for in the answer, seconds to wait (None: our own back-off), source.

    A number that the answer names itself, as group 1 in milliseconds, counts instead of `seconds`. `counts`: it may
    mean that too many connections of ours are open, of all accounts together.
    """

    says: re.Pattern[str]
    seconds: float | None
    source: str
    counts: bool = False


def _manner(pattern: str, seconds: float | None, source: str, *, counts: bool = False) -> Manner:
    return Manner(re.compile(pattern, re.IGNORECASE), seconds, source, counts)


IMAP: tuple[Manner, ...] = (
    _manner(r"Suggested Backoff Time: ?([0-9]{1,9}) milliseconds", None, "Microsoft 365; imapsync #198"),
    _manner(r"exceeded command or bandwidth limits", 3600, "Gmail, 2,500 MB a day; imapsync #272"),
    _manner(r"\[OVERQUOTA\b", 900, "RFC 5530 section 3"),
    _manner(r"\[LIMIT\b", 300, "RFC 9051 section 7.1", counts=True),
    _manner(r"\[THROTTLED\b", 60, "said inside OK; node-imap #593"),
    _manner(r"Request is throttled", 60, "Microsoft 365; imapsync #198"),
    _manner(r"Too many simultaneous connections", 60, "Gmail, 15 connections an account", counts=True),
    # Said by the greeting, or by the answer to the login.
    _manner(
        r"Too many (?:open |concurrent |active )?(?:IMAP )?connections",
        60,
        "servers with a limit per address",
        counts=True,
    ),
    # Of one login, of which no account has more than one connection: nothing is learnt for its neighbours.
    _manner(r"Maximum number of connections from user\+IP exceeded", 60, "Dovecot, mail_max_userip_connections"),
    _manner(r"\[INUSE\b", 30, "RFC 5530 section 3"),
    _manner(r"\[UNAVAILABLE\b", None, "RFC 5530 section 3"),
    _manner(r"Suggested Backoff Time", 60, "Microsoft 365, without a number"),
)
"""Of several that fit the first counts, so that an answer that names its time comes first."""


def asked(text: str) -> Manner | None:
    """How an IMAP server asks to wait with this answer (NO, BAD, BYE or OK); None if it does not."""
    return next((manner for manner in IMAP if manner.says.search(text)), None)


def seconds_asked(text: str) -> float | None:
    """How long it asks to wait; None if it leaves that to us, or does not ask."""
    manner = asked(text)
    if manner is None:
        return None
    found = manner.says.search(text)
    return int(found[1]) / 1000 if found is not None and found.re.groups else manner.seconds


def is_about_connections(text: str) -> bool:
    """Whether a refused login with this answer may mean that fewer connections would have let it in."""
    return any(manner.counts and manner.says.search(text) for manner in IMAP)
