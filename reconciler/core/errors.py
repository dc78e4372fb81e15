"""The errors of the program; an error's class tells the caller what to do, its text tells a person how to mend it.

ReconcilerError
├── Invalid          what was given is wrong: mend the input, do not retry
│   ├── NotSetUp     something has to be done once before this works (exit 78)
│   └── Outdated     the store was written by a newer program: update this one (exit 78)
├── Temporary        wait and try again, at the earliest after `retry_after` seconds
│   └── Unavailable  a source, store or lease cannot be had now: nothing advances (exit 75)
├── Permanent        trying again changes nothing: stop this item and tell a person
└── Unsafe           going on could break a promise (wrong tenant, second copy): set aside for a person
    └── Blocked      a guard or redirect stops it until a person lets it pass (exit 3)
"""

from __future__ import annotations

from enum import Enum


class ExitCode(int, Enum):
    """What the process tells its caller; of several the first in the order 64, 78, 75, 1, 3, 4, 2 wins."""

    CLEAN = 0
    FINDINGS = 1
    CHANGES = 2
    BLOCKED = 3
    DEGRADED = 4
    USAGE = 64
    UNAVAILABLE = 75
    NOT_SET_UP = 78


_PRECEDENCE = (
    ExitCode.USAGE,
    ExitCode.NOT_SET_UP,
    ExitCode.UNAVAILABLE,
    ExitCode.FINDINGS,
    ExitCode.BLOCKED,
    ExitCode.DEGRADED,
    ExitCode.CHANGES,
    ExitCode.CLEAN,
)


def worst(*codes: ExitCode) -> ExitCode:
    """The code to exit with when several apply; CLEAN for none."""
    return min(codes, key=_PRECEDENCE.index, default=ExitCode.CLEAN)


class ReconcilerError(Exception):
    """Base of all errors that are meant for a person to read; `exit_code` is what a command ends with."""

    exit_code = ExitCode.FINDINGS


class Invalid(ReconcilerError):
    """The input is wrong; the text says where and how to mend it."""


class NotSetUp(Invalid):
    """A one-time step is missing; the text names the command that does it."""

    exit_code = ExitCode.NOT_SET_UP


class Outdated(Invalid):
    """This program is older than what it should work on. Never to be taken for "nothing is there"."""

    exit_code = ExitCode.NOT_SET_UP


class Temporary(ReconcilerError):
    """May work later. `retry_after` is in seconds; None leaves the wait to the caller's back-off."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Temporary):
    """A source, store or lease cannot be had now. Never to be taken for "empty"."""

    exit_code = ExitCode.UNAVAILABLE


class Permanent(ReconcilerError):
    """Trying again changes nothing."""


class Unsafe(ReconcilerError):
    """Going on could break a promise; a person decides."""


class Blocked(Unsafe):
    """A guard or a redirect stops it; the text says who lets it pass and how."""

    exit_code = ExitCode.BLOCKED
