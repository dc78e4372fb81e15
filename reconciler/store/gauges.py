"""Numbers about everything that is remembered, for dashboards; one consistent snapshot, no addresses and no texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from reconciler.core.health import Condition
from reconciler.core.status import Sync
from reconciler.core.suspension import Suspension
from reconciler.store.ledger import MailState
from reconciler.store.suspensions import in_force
from reconciler.store.tables import accounts, health, held, mails, outbox, revisions, units


@dataclass(frozen=True, slots=True)
class AccountGauge:
    """How an account stands that is not retired; `condition` None: no step was tried yet.

    `next_at` None: nothing is scheduled for it, as of one that is disabled or suspended.
    """

    unit: str
    account: str
    condition: Condition | None
    backlog: int
    succeeded_at: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class BehindGauge:
    """A unit whose files say something else than what runs, and since when."""

    unit: str
    sync: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Gauges:
    """Counts by state, reason and sync; `waiting` are mails that are stored and not decided yet.

    `behind` are the units that are not synced; `applied_at` is when a revision of any unit was applied last.
    """

    accounts: tuple[AccountGauge, ...]
    waiting: int
    held: Mapping[str, int]
    outbox: Mapping[str, int]
    possibly_twice: int
    units: Mapping[str, int]
    suspensions: tuple[Suspension, ...]
    behind: tuple[BehindGauge, ...]
    applied_at: datetime | None


def read_gauges(connection: Connection, now: datetime) -> Gauges:
    """Count everything as it is at this instant."""
    query = (
        select(
            accounts.c.unit,
            accounts.c.id,
            health.c.condition,
            health.c.backlog,
            health.c.succeeded_at,
            health.c.next_at,
        )
        .join_from(accounts, health, isouter=True)
        .where(accounts.c.status != "retired")
        .order_by(accounts.c.unit, accounts.c.id)
    )
    found = tuple(
        AccountGauge(
            r.unit, r.id, Condition(r.condition) if r.condition else None, r.backlog or 0, r.succeeded_at, r.next_at
        )
        for r in connection.execute(query)
    )
    waiting = select(func.count()).where(mails.c.state == MailState.RECEIVED.value)
    twice = select(func.count()).where(outbox.c.possibly_twice)
    return Gauges(
        accounts=found,
        waiting=int(connection.execute(waiting).scalar_one()),
        held=_counts(connection, held.c.reason, held.c.resolution.is_(None)),
        outbox=_counts(connection, outbox.c.state),
        possibly_twice=int(connection.execute(twice).scalar_one()),
        units=_counts(connection, units.c.sync),
        suspensions=in_force(connection, now),
        behind=_behind(connection),
        applied_at=connection.execute(select(func.max(revisions.c.applied_at))).scalar(),
    )


def _behind(connection: Connection) -> tuple[BehindGauge, ...]:
    query = select(units).where(units.c.sync != Sync.SYNCED).order_by(units.c.unit)
    return tuple(BehindGauge(row.unit, row.sync, row.since) for row in connection.execute(query))


def _counts(connection: Connection, column: object, *conditions: object) -> dict[str, int]:
    query = select(column, func.count()).where(*conditions).group_by(column)  # type: ignore[call-overload]
    return {row[0]: row[1] for row in connection.execute(query)}
