"""A held mail: why it was set aside, and that it waits until a person decides; not how it is decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HoldReason(StrEnum):
    """Why a mail waits for a person."""

    UNCORRELATED = "uncorrelated"
    FORGED_TOKEN = "forged-token"
    CONFLICTING_EVIDENCE = "conflicting-evidence"
    NOT_HUMAN = "not-human"
    UNEXPECTED_SENDER = "unexpected-sender"
    UNAUTHENTICATED = "unauthenticated"
    FURTHER_ANSWER = "further-answer"
    LATE_ANSWER = "late-answer"
    WITHDRAWN = "referral-withdrawn"
    CASE_CLOSED = "case-closed"
    CUSTOMER_COPIED = "customer-copied"
    TENANT_RETIRED = "tenant-retired"
    UNREADABLE = "unreadable"
    NO_SENDER = "no-sender"
    OWN_ADDRESS = "own-address"
    LOOP = "loop"
    TOO_MANY = "too-many"
    SIGNED_OR_ENCRYPTED = "signed-or-encrypted"
    EMPTY_ANSWER = "empty-answer"
    ATTACHMENTS = "attachments"
    CANNOT_SEND = "cannot-send"
    BY_RULE = "by-rule"
    POISON = "poison"
    AFTER_RESTORE = "after-restore"


@dataclass(frozen=True, slots=True)
class Held:
    """A held mail. `tenant` None: for the operators."""

    id: int
    mail_id: int
    tenant: str | None
    account: str
    reason: str
    detail: str
    since: datetime
    sender: str | None
    subject: str | None
