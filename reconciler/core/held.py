"""A held mail: set aside with its reason until a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
