"""What people decide about mails beyond routing, and what a tenant's settings remove: each stands in the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Act(StrEnum):
    """What was done."""

    RELEASE = "release"
    DISCARD = "discard"
    RECLASSIFY = "reclassify"
    REMEMBER = "remember"
    FORGET = "forget"
    EXPIRE = "expire"
    RETENTION = "retention"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class ActDone:
    """A line of the record. `tenant` None: the operators' own; `subject` is an id, or what it concerned."""

    id: int
    at: datetime
    by: str
    act: Act
    tenant: str | None
    subject: str
    reason: str
    detail: dict[str, object]


@dataclass(frozen=True, slots=True)
class ContactException:
    """A kind that a person lets an external contact answer with."""

    id: int
    tenant: str
    contact: str
    kind: str
    by: str
    at: datetime
