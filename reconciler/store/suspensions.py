"""Suspensions as rows: the ones in force stop steps and tries, all of them stay as the history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, or_, select, update

from reconciler.core.errors import Invalid
from reconciler.core.revision import AccountStatus
from reconciler.core.suspension import Activity, Suspension, Target
from reconciler.store.operator_tables import suspensions
from reconciler.store.tables import accounts, outbox, units


def account_key(connection: Connection, target: Target) -> int | None:
    """The key of the account a target names; None if it names none. Raises Invalid if nothing applied has its name."""
    if target.unit is None:
        return None
    here = select(units.c.unit).where(units.c.unit == target.unit, units.c.revision_id.is_not(None))
    if connection.execute(here).first() is None:
        raise Invalid(f"no tenant {target.unit} is applied; `reconciler status` lists them")
    if target.account is None:
        return None
    query = select(accounts.c.key).where(
        accounts.c.unit == target.unit, accounts.c.id == target.account, accounts.c.status != AccountStatus.RETIRED
    )
    key = connection.execute(query).scalar_one_or_none()
    if key is None:
        raise Invalid(f"no account {target} is applied; `reconciler status` lists them")
    return int(key)


def suspend(
    connection: Connection, activity: Activity, target: Target, *, reason: str, by: str, until: datetime, now: datetime
) -> tuple[Suspension, ...]:
    """Stop fetching or sending of the target until then; returns what this takes the place of. Raises Invalid."""
    replaced = resume(connection, activity, target, reason="suspended anew", by=by, now=now)
    connection.execute(
        insert(suspensions).values(
            activity=activity,
            unit=target.unit,
            account_key=account_key(connection, target),
            reason=reason,
            by=by,
            since=now,
            until=until,
        )
    )
    return replaced


def resume(
    connection: Connection, activity: Activity, target: Target, *, reason: str | None, by: str, now: datetime
) -> tuple[Suspension, ...]:
    """End what suspends exactly this target; returns that. Raises Invalid if nothing applied has its name."""
    key = account_key(connection, target)
    ended = tuple(
        s
        for s in in_force(connection, now)
        if s.activity is activity and s.account_key == key and s.target.unit == target.unit
    )
    for one in ended:
        here = update(suspensions).where(suspensions.c.id == one.id)
        connection.execute(here.values(ended_at=now, ended_by=by, end_reason=reason))
    return ended


def in_force(connection: Connection, now: datetime) -> tuple[Suspension, ...]:
    """What is suspended now, the oldest first."""
    return _read(connection, suspensions.c.ended_at.is_(None), suspensions.c.until > now)


def every(connection: Connection) -> tuple[Suspension, ...]:
    """All suspensions there ever were, the oldest first."""
    return _read(connection)


def sending_goes_on(now: datetime) -> ColumnElement[bool]:
    """Of a row of the outbox: that neither its tenant, nor the account it goes through, nor everything is suspended."""
    unit_of = select(accounts.c.unit).where(accounts.c.key == outbox.c.account_key).correlate(outbox).scalar_subquery()
    means_it = or_(
        suspensions.c.account_key == outbox.c.account_key,
        and_(
            suspensions.c.account_key.is_(None),
            or_(
                suspensions.c.unit.is_(None),
                suspensions.c.unit == outbox.c.tenant,
                suspensions.c.unit == unit_of,
            ),
        ),
    )
    stops = exists().where(
        suspensions.c.activity == Activity.SENDING.value,
        suspensions.c.ended_at.is_(None),
        suspensions.c.until > now,
        means_it,
    )
    return ~stops.correlate(outbox)


def _read(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Suspension, ...]:
    query = select(suspensions, accounts.c.unit.label("owner"), accounts.c.id.label("account")).join_from(
        suspensions, accounts, isouter=True
    )
    return tuple(_suspension(r) for r in connection.execute(query.where(*conditions).order_by(suspensions.c.id)))


def _suspension(row: Any) -> Suspension:
    # The account's present name: it may have been renamed since.
    target = Target(row.unit, row.account)
    return Suspension(
        row.id,
        Activity(row.activity),
        target,
        row.account_key,
        row.reason,
        row.by,
        row.since,
        row.until,
        row.ended_at,
        row.ended_by,
        row.end_reason,
    )
