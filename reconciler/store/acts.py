"""The record of what people decided, and the exceptions they made for contacts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from reconciler.core.act import Act, ActDone, ContactException
from reconciler.core.address import Address
from reconciler.core.kind import Kind
from reconciler.store.oversight_tables import audit, exceptions


def record(
    connection: Connection,
    act: Act,
    *,
    by: str,
    tenant: str | None,
    subject: str,
    now: datetime,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write down what was done, in the transaction that does it."""
    connection.execute(
        insert(audit).values(
            at=now, by=by, act=act.value, tenant=tenant, subject=subject, reason=reason, detail=dict(detail or {})
        )
    )


def list_acts(connection: Connection, *, tenant: str | None = None, limit: int = 1_000) -> list[ActDone]:
    """What was done, newest first."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if tenant is not None:
        query = query.where(audit.c.tenant == tenant)
    return [
        ActDone(r.id, r.at, r.by, Act(r.act), r.tenant, r.subject, r.reason, dict(r.detail))
        for r in connection.execute(query)
    ]


def remember(
    connection: Connection, *, tenant: str, contact: Address, kind: Kind, mail_id: int, by: str, now: datetime
) -> None:
    """Let the contact answer with this kind from now on; doing it twice changes nothing."""
    if kind in exceptions_of(connection, tenant, contact):
        return
    connection.execute(
        insert(exceptions).values(tenant=tenant, contact=contact.key, kind=kind.value, mail_id=mail_id, by=by, at=now)
    )


def exceptions_of(connection: Connection, tenant: str, contact: Address) -> frozenset[Kind]:
    """The kinds the contact may answer with beside a person's mail."""
    query = select(exceptions.c.kind).where(exceptions.c.tenant == tenant, exceptions.c.contact == contact.key)
    return frozenset(Kind(kind) for kind in connection.execute(query).scalars())


def list_exceptions(connection: Connection, *, tenant: str | None = None) -> list[ContactException]:
    """All exceptions, oldest first."""
    query = select(exceptions).order_by(exceptions.c.id)
    if tenant is not None:
        query = query.where(exceptions.c.tenant == tenant)
    return [ContactException(r.id, r.tenant, r.contact, r.kind, r.by, r.at) for r in connection.execute(query)]


def forget(connection: Connection, exception_id: int) -> ContactException | None:
    """Take an exception back; None if there is none."""
    found = next((e for e in list_exceptions(connection) if e.id == exception_id), None)
    if found is not None:
        connection.execute(delete(exceptions).where(exceptions.c.id == exception_id))
    return found
