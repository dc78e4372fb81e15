"""An outgoing mail's states, what became of one try to send it, and when the next try is due; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from reconciler.core.errors import Invalid


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

    `code` is None where the server did not get to answer; `text` is for a person.
    """

    outcome: Outcome
    code: int | None
    text: str
    status: str | None = None


class OutboxState(StrEnum):
    """Where a row of the outbox stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


MOVES: Mapping[OutboxState, frozenset[OutboxState]] = MappingProxyType(
    {
        OutboxState.QUEUED: frozenset({OutboxState.SENDING, OutboxState.FAILED}),
        # Back to queued: try again later, also after a crash in the middle of sending.
        OutboxState.SENDING: frozenset({OutboxState.SENT, OutboxState.QUEUED, OutboxState.FAILED}),
        OutboxState.SENT: frozenset(),
        # A person may have a failed mail tried again.
        OutboxState.FAILED: frozenset({OutboxState.QUEUED}),
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


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """What is told of a try, in the order of the machine output's keys; `result` is sent, deferred or failed."""

    outbox: str
    case: str
    to: str
    message_id: str
    result: str
