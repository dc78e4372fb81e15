"""How units and accounts stand, on two axes: is the desired state applied, and is the account well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reconciler.core.health import Condition
from reconciler.core.revision import AppliedAccount
from reconciler.core.suspension import Activity, Suspension

RATE_WINDOW = timedelta(minutes=5)
"""The span whose mails make an account's rate: long enough for a poll, short enough to be now."""


class Sync(StrEnum):
    """How a unit's running revision stands to its files."""

    SYNCED = "Synced"
    SETTLING = "Settling"
    HELD = "Held"
    BLOCKED = "Blocked"
    ROLLED_BACK = "RolledBack"


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """A unit's sync with reason and since. `revision` and `applied_digest` None: it never ran.

    `attempted_digest` is what was last tried; None while the files have errors.
    """

    unit: str
    sync: Sync
    reason: str
    since: datetime
    revision: int | None
    applied_digest: str | None
    retired: bool
    attempted_digest: str | None
    attempted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """What the last steps of an account saw; `backlog` is the number of mails still to be taken.

    `next_at` is when it is to be served next; None: nothing is scheduled, or nobody is there to serve it.
    """

    condition: Condition
    reason: str
    since: datetime
    attempted_at: datetime | None
    succeeded_at: datetime | None
    backlog: int
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SendingHealth:
    """How the account's submission server behaved the last time something was to be sent through it."""

    condition: Condition
    reason: str
    since: datetime
    succeeded_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account that is not retired, with its health (None: no step was tried yet).

    `sending` None: nothing was sent through its submission server yet. `suspended`: what a person stopped for a while.
    `stored` is how many mails of it were stored within the last RATE_WINDOW.
    """

    applied: AppliedAccount
    health: Health | None
    sending: SendingHealth | None = None
    suspended: frozenset[Activity] = frozenset()
    stored: int = 0

    @property
    def rate(self) -> float | None:
        """Mails stored per minute over the last RATE_WINDOW; None if no step was tried yet."""
        return self.stored / (RATE_WINDOW / timedelta(minutes=1)) if self.health is not None else None

    @property
    def next_step(self) -> datetime | None:
        """When it is to be served next; None if nobody knows, or it rests."""
        rests = not self.applied.account.enabled or Activity.FETCHING in self.suspended
        return None if self.health is None or rests else self.health.next_at

    @property
    def well(self) -> bool:
        """True if nothing is to be mended; what is switched off or suspended cannot be unwell."""
        if not self.applied.account.enabled:
            return True
        fetches = self.health is not None and self.health.condition is Condition.OK
        sends = self.sending is None or self.sending.condition is Condition.OK
        return (fetches or Activity.FETCHING in self.suspended) and (sends or Activity.SENDING in self.suspended)


@dataclass(frozen=True, slots=True)
class Status:
    """All units and accounts, in a fixed order, and the suspensions in force, the oldest first."""

    units: tuple[UnitStatus, ...]
    accounts: tuple[AccountState, ...]
    suspensions: tuple[Suspension, ...] = ()

    @property
    def well(self) -> bool:
        """True if every unit is synced and every account well."""
        return all(u.sync is Sync.SYNCED for u in self.units) and all(a.well for a in self.accounts)
