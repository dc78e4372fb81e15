"""An outgoing mail's states, what became of one try to send it, and when the next try is due; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from reconciler.core.errors import Invalid
from reconciler.core.health import Condition


class Outcome(StrEnum):
    """What a try to hand a mail to a server came to."""

    ACCEPTED = "accepted"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"
    """The mail was sent to its final dot and no answer came: the server may have it, or not."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try for one recipient. `code` is the server's reply (RFC 5321), `status` its enhanced one (RFC 3463).

    `code` is None where the server did not get to answer; `text` is for a person. `fault`: what the server refused is
    the account, as for a login that is missing, and not this mail; None: the answer is about the mail.
    """

    outcome: Outcome
    code: int | None
    text: str
    status: str | None = None
    fault: Condition | None = None


class OutboxState(StrEnum):
    """Where a row of the outbox stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    RESTORED = "restored"
    """It waited in a backup that was restored, and may have been sent since: a person decides."""


MOVES: Mapping[OutboxState, frozenset[OutboxState]] = MappingProxyType(
    {
        OutboxState.QUEUED: frozenset({OutboxState.SENDING, OutboxState.FAILED, OutboxState.RESTORED}),
        # Back to queued: try again later, also after a crash in the middle of sending.
        OutboxState.SENDING: frozenset(
            {OutboxState.SENT, OutboxState.QUEUED, OutboxState.FAILED, OutboxState.RESTORED}
        ),
        OutboxState.SENT: frozenset(),
        # A person may have a failed mail tried again.
        OutboxState.FAILED: frozenset({OutboxState.QUEUED}),
        OutboxState.RESTORED: frozenset({OutboxState.QUEUED, OutboxState.FAILED}),
    }
)


def moved(state: OutboxState, to: OutboxState) -> OutboxState:
    """`to`, if that is a legal move; raises Invalid if not."""
    if to not in MOVES[state]:
        raise Invalid(f"an outgoing mail that is {state.value} cannot become {to.value}")
    return to


_WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    *[timedelta(hours=4)] * 29,  # five days in all, less three hours
)

LONGEST_WAIT = max(_WAITS)
"""A mail that is to wait longer was put off by a clock that has been set back since: it is due now."""


def retry_at(attempts: int, now: datetime) -> datetime | None:
    """When to try again after `attempts` tries, the last of them now; None: give up (RFC 5321 4.5.4.1)."""
    if attempts < 1:
        raise ValueError("a retry follows at least one attempt")
    return now + _WAITS[attempts - 1] if attempts <= len(_WAITS) else None


def state_after(outcome: Outcome, retry: datetime | None) -> OutboxState:
    """Where a mail that is being sent goes; `retry` as `retry_at` gives it."""
    if outcome is Outcome.ACCEPTED:
        return OutboxState.SENT
    if outcome is Outcome.PERMANENT or retry is None:
        return OutboxState.FAILED
    return OutboxState.QUEUED


RATE_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many mails an account may send now; `wait` until there may be more, zero while there are any."""

    mails: int
    wait: timedelta


def allowance(per_minute: int | None, tries: Sequence[datetime], now: datetime, weight: int) -> Allowance:
    """What a step may send: `weight` mails, fewer where the last minute's `tries` leave less of `per_minute`.

    A try in the future was dated by a clock that has been set back since, and does not count.
    """
    if per_minute is None:
        return Allowance(weight, timedelta(0))
    recent = sorted(at for at in tries if now - RATE_WINDOW < at <= now)
    left = per_minute - len(recent)
    if left > 0:
        return Allowance(min(weight, left), timedelta(0))
    return Allowance(0, recent[len(recent) - per_minute] + RATE_WINDOW - now)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox without its bytes. `account` is `unit/id` of the account whose server takes it."""

    id: int
    tenant: str
    account_key: int
    account: str
    case_id: int
    referral_id: int | None
    purpose: str
    revision_id: int
    mail_from: str
    recipient: str
    message_id: str
    subject: str
    state: OutboxState
    attempts: int
    next_at: datetime
    possibly_twice: bool
    answer: str | None
    bounced: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """What is told of a try, in the order of the machine output's keys; `result` is sent, deferred or failed."""

    outbox: str
    case: str
    to: str
    message_id: str
    result: str
