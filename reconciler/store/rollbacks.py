"""Rollbacks as rows: at most one in force for a tenant, all of them stay as the history."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, insert, select, update

from reconciler.core.errors import Invalid
from reconciler.core.registry import Registry
from reconciler.core.rollback import GONE, HELD, Rollback
from reconciler.core.status import Sync
from reconciler.store.applied import read_document
from reconciler.store.operator_tables import rollbacks
from reconciler.store.tables import revisions, units


def find_revision(connection: Connection, wanted: str, unit: str | None) -> tuple[int, str]:
    """Number and unit of the revision named by its number or, with a unit, by its commit. Raises Invalid."""
    query = select(revisions).order_by(revisions.c.id.desc())
    if unit is not None:
        query = query.where(revisions.c.unit == unit)
    if wanted.isdecimal() and len(wanted) < 7:
        query = query.where(revisions.c.id == int(wanted))
    elif unit is None:
        raise Invalid(f"commit {wanted} may have been applied to many tenants; name one with --tenant")
    else:
        query = query.where(revisions.c.commit.startswith(wanted, autoescape=True))
    row = connection.execute(query.limit(1)).first()
    if row is None:
        whose = f" of {unit}" if unit is not None else ""
        raise Invalid(f"there is no revision {wanted}{whose}; `reconciler history` lists them")
    if row.retired:
        raise Invalid(f"revision {row.id} is the removal of {row.unit}; name the one before it")
    return int(row.id), str(row.unit)


def roll_back(
    connection: Connection, revision: int, unit: str, *, reason: str, by: str, until: datetime, now: datetime
) -> None:
    """Let this revision of the unit run until then; it takes the place of an earlier rollback. Raises Invalid."""
    stands = connection.execute(select(units).where(units.c.unit == unit)).one()
    files = _files(stands.sync, stands.attempted_digest)
    digest = connection.execute(select(revisions.c.digest).where(revisions.c.id == revision)).scalar_one()
    if digest == files:
        raise Invalid(f"revision {revision} is what the files of {unit} say; there is nothing to roll back")
    end(connection, unit, reason="rolled back anew", by=by, now=now)
    values = {"unit": unit, "revision_id": revision, "files": files, "reason": reason, "by": by}
    connection.execute(insert(rollbacks).values(since=now, until=until, **values))


def _files(sync: str, attempted: str | None) -> str:
    if sync in (Sync.HELD, Sync.SETTLING):
        return HELD
    return attempted or GONE


def end(connection: Connection, unit: str, *, reason: str, by: str, now: datetime) -> bool:
    """End the rollback of a unit; False if none is in force."""
    here = update(rollbacks).where(rollbacks.c.unit == unit, *_in_force(now))
    return bool(connection.execute(here.values(ended_at=now, ended_by=by, end_reason=reason)).rowcount)


def end_all(connection: Connection, ids: Collection[int], *, reason: str, by: str, now: datetime) -> None:
    """End these."""
    here = update(rollbacks).where(rollbacks.c.id.in_(list(ids)))
    connection.execute(here.values(ended_at=now, ended_by=by, end_reason=reason))


def ids_in_force(connection: Connection, now: datetime) -> tuple[int, ...]:
    """The numbers of those that are in force."""
    return tuple(connection.execute(select(rollbacks.c.id).where(*_in_force(now)).order_by(rollbacks.c.id)).scalars())


def in_force(connection: Connection, registry: Registry, now: datetime) -> tuple[Rollback, ...]:
    """Those that are in force, the oldest first, each with its revision's document. Raises Invalid."""
    query = select(rollbacks, revisions.c.document).join_from(rollbacks, revisions).where(*_in_force(now))
    return tuple(
        Rollback(
            row.id,
            row.unit,
            row.revision_id,
            read_document(row.unit, row.document, registry),
            row.files,
            row.reason,
            row.by,
            row.since,
            row.until,
        )
        for row in connection.execute(query.order_by(rollbacks.c.id))
    )


def _in_force(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return rollbacks.c.ended_at.is_(None), rollbacks.c.until > now
