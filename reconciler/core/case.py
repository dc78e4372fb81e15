"""A customer's case: its states, and the kinds of entries that stand on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CaseState(StrEnum):
    """Open, or closed by an agent; a customer's next mail opens it again."""

    OPEN = "open"
    CLOSED = "closed"


class EntryKind(StrEnum):
    """What an entry on a case is. Only `agent_reply` and `relay` were sent to the customer."""

    CUSTOMER_MESSAGE = "customer_message"
    AGENT_REPLY = "agent_reply"
    NOTE = "note"
    FORWARD = "forward"
    INQUIRY = "inquiry"
    REMINDER = "reminder"
    EXTERNAL_ANSWER = "external_answer"
    RELAY = "relay"
    REPORT = "report"
    EVENT = "event"


SYSTEM = "system"
"""The author of entries that no person wrote."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands. `account` is `tenant/id` of the inbound account it came in on."""

    id: int
    tenant: str
    account_key: int
    account: str
    subject: str
    state: CaseState
    customer_name: str
    customer_address: str
    queue: str | None
    agent: str | None
    priority: str
    tags: tuple[str, ...]
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry on a case, oldest first in its list."""

    id: int
    kind: EntryKind
    at: datetime
    author: str
    text: str
    mail_id: int | None
    outbox_id: int | None
    referral_id: int | None
