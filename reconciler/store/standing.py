"""What surrounds the applied state: how units and accounts stand, whom a change concerns, what was acknowledged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from reconciler.core.health import Condition
from reconciler.core.plan import Impact
from reconciler.core.revision import AppliedState
from reconciler.core.status import RATE_WINDOW, AccountState, Health, SendingHealth, Status, Sync, UnitStatus
from reconciler.core.suspension import suspended
from reconciler.store.lease import Right, holder
from reconciler.store.pace import stored_since
from reconciler.store.suspensions import in_force
from reconciler.store.tables import accounts, acks, cases, folders, health, mails, referrals, revisions, sending, units


def read_units(connection: Connection) -> tuple[UnitStatus, ...]:
    """How every unit stands that ever ran or was tried, by name."""
    query = (
        select(units, revisions.c.digest, revisions.c.retired)
        .join_from(units, revisions, units.c.revision_id == revisions.c.id, isouter=True)
        .order_by(units.c.unit)
    )
    return tuple(
        UnitStatus(
            unit=row.unit,
            sync=Sync(row.sync),
            reason=row.reason,
            since=row.since,
            revision=row.revision_id,
            applied_digest=row.digest,
            retired=bool(row.retired),
            attempted_digest=row.attempted_digest,
            attempted_at=row.attempted_at,
        )
        for row in connection.execute(query)
    )


def read_status(connection: Connection, applied: AppliedState, now: datetime) -> Status:
    """How all units and the accounts of `applied` stand, and what is suspended now."""
    at_work = holder(connection, Right.MAIL, now)
    serves = at_work is not None and at_work.name == "run"
    found = {row.account_key: _health(row, serves) for row in connection.execute(select(health))}
    sends = {
        row.account_key: SendingHealth(Condition(row.condition), row.reason, row.since, row.succeeded_at)
        for row in connection.execute(select(sending))
    }
    stopping, stored = in_force(connection, now), stored_since(connection, now - RATE_WINDOW, now)
    states = (
        AccountState(a, found.get(a.key), sends.get(a.key), suspended(stopping, a.key, a.unit), stored.get(a.key, 0))
        for a in applied.accounts.values()
    )
    return Status(read_units(connection), tuple(sorted(states, key=lambda s: s.applied.label)), stopping)


def _health(row: Any, serves: bool) -> Health:
    """`serves`: whether anybody is there to keep to what was scheduled."""
    return Health(
        Condition(row.condition),
        row.reason,
        row.since,
        row.attempted_at,
        row.succeeded_at,
        row.backlog,
        row.next_at if serves else None,
    )


def read_impacts(connection: Connection, concerned: Collection[str]) -> Mapping[tuple[str, str], Impact]:
    """Whom a change would concern, for every account of these units that is not retired."""
    if not concerned:
        return {}
    query = select(accounts.c.key, accounts.c.unit, accounts.c.id, health.c.backlog).join_from(
        accounts, health, isouter=True
    )
    # By status rather than by unit: a first plan may concern more units than a statement may have parameters.
    rows = [row for row in connection.execute(query.where(accounts.c.status != "retired")) if row.unit in concerned]
    open_cases = _counts(connection, cases.c.account_key, cases.c.state == "open")
    waiting = _counts(connection, referrals.c.account_key, referrals.c.state == "waiting")
    return {
        (row.unit, row.id): Impact(
            open_cases.get(row.key, 0),
            waiting.get(row.key, 0),
            _last_mail(connection, row.key),
            row.backlog or 0,
            _left_behind(connection, row.key),
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who let a guarded plan pass, when and why."""

    digest: str
    reason: str
    by: str
    at: datetime


def acknowledge(connection: Connection, digest: str, reason: str, by: str, now: datetime) -> Acknowledgement:
    """Let the plan with this digest pass its guards, once.

    An earlier acknowledgement that was not used yet stays as it was and is returned; a used one is renewed.
    """
    row = connection.execute(select(acks).where(acks.c.digest == digest)).one_or_none()
    if row is not None and row.revision_id is None:
        return Acknowledgement(row.digest, row.reason, row.by, row.at)
    if row is not None:
        connection.execute(delete(acks).where(acks.c.digest == digest))
    connection.execute(insert(acks).values(digest=digest, reason=reason, by=by, at=now))
    return Acknowledgement(digest, reason, by, now)


def acknowledged(connection: Connection) -> frozenset[str]:
    """The digests of all plans that were acknowledged and not applied since."""
    return frozenset(connection.execute(select(acks.c.digest).where(acks.c.revision_id.is_(None))).scalars())


def _counts(connection: Connection, key: Any, condition: Any) -> dict[int, int]:
    query = select(key, func.count()).where(condition).group_by(key)
    return {row[0]: row[1] for row in connection.execute(query)}


def _left_behind(connection: Connection, account_key: int) -> int:
    """How many mails the account's start rule left on the server."""
    query = select(folders.c.left_behind).where(folders.c.account_key == account_key)
    return sum(len(uids.split()) for uids in connection.execute(query).scalars())


def _last_mail(connection: Connection, account_key: int) -> datetime | None:
    query = select(mails.c.received_at).where(mails.c.account_key == account_key)
    return connection.execute(query.order_by(mails.c.id.desc()).limit(1)).scalar()
