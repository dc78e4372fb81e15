"""What time does to mails: held ones expire, old ones lose their words, and whoever asks for it is erased."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from reconciler.core.account import TenantDocument
from reconciler.core.act import Act
from reconciler.core.case import SYSTEM
from reconciler.core.errors import Invalid
from reconciler.core.registry import Registry
from reconciler.core.revision import AppliedState
from reconciler.store import acts, retention
from reconciler.store.applied import read_applied
from reconciler.store.database import Store
from reconciler.store.held import expired, resolve
from reconciler.store.retention import Counts

log = structlog.get_logger()

Run = Callable[[Callable[[Connection], Counts]], Counts]
"""Does a piece of work in a transaction of its own."""


class _DryRun(Exception):
    """Ends a transaction whose work is not wanted, only its numbers."""


def dry(store: Store) -> Run:
    """Works and takes it back, so that the numbers are those of the real thing."""

    def run(work: Callable[[Connection], Counts]) -> Counts:
        counts = Counts()
        try:
            with store.write() as connection:
                counts = work(connection)
                raise _DryRun
        except _DryRun:
            return counts

    return run


def for_good(store: Store) -> Run:
    """Works in a transaction of the store."""

    def run(work: Callable[[Connection], Counts]) -> Counts:
        with store.write() as connection:
            return work(connection)

    return run


def keep_up(store: Store, run: Run, registry: Registry, now: datetime, tenant: str | None = None) -> dict[str, Counts]:
    """Let held mails expire and take what is older than the tenants say; what was done, by tenant."""
    with store.read() as connection:
        state = read_applied(connection, registry)
    done = {}
    for unit, document in _documents(state):
        if tenant in (None, unit):
            counts = run(lambda c, u=unit, d=document: _kept(c, u, d, now))  # type: ignore[misc]
            if counts.total():
                done[unit] = counts
    return done


def _documents(state: AppliedState) -> list[tuple[str, TenantDocument]]:
    found = ((unit, state.tenant_document(unit)) for unit in state.units)
    return [(unit, document) for unit, document in found if document is not None]


def _kept(connection: Connection, unit: str, document: TenantDocument, now: datetime) -> Counts:
    keys, counts = document.retention, Counts()
    for reason, span in document.held.expire.items():
        gone = expired(connection, unit, reason.value, now - span)
        for held_id, mail_id in gone:
            resolve(connection, held_id, "expired", SYSTEM, now)
            acts.record(
                connection,
                Act.EXPIRE,
                by=SYSTEM,
                tenant=unit,
                subject=f"H{held_id}",
                now=now,
                reason=reason.value,
                detail={"mail": f"M{mail_id}"},
            )
        counts["expired"] += len(gone)
    taken = Counts()
    if keys.mails is not None:
        taken += retention.take_raw(connection, unit, now - keys.mails)
    if keys.cases is not None:
        old = retention.old_cases(connection, unit, now - keys.cases)
        taken += retention.erase_cases(connection, old, now)
    if keys.unassigned is not None:
        strays = retention.old_strays(connection, unit, now - keys.unassigned)
        taken += retention.erase_mails(connection, strays, now)
    if taken.total():
        acts.record(connection, Act.RETENTION, by=SYSTEM, tenant=unit, subject="old mail", now=now, detail=dict(taken))
    return counts + taken


def erase(run: Run, address: str, tenant: str | None, *, reason: str, by: str, now: datetime) -> Counts:
    """Take everything of this address: as a customer, as a contact, as a sender. Raises Invalid for none.

    The record says that somebody was erased, why, and how much that was; not who.
    """
    if "@" not in address.strip("@"):
        raise Invalid(f"{address!r} is no address")

    def work(connection: Connection) -> Counts:
        counts = retention.erase_cases(connection, retention.cases_of(connection, address, tenant), now)
        mails = retention.mails_of(connection, address, tenant)
        counts += retention.erase_entries_of(connection, mails)
        counts += retention.erase_mails(connection, mails, now)
        counts += retention.erase_contact(connection, address, tenant)
        acts.record(
            connection,
            Act.ERASE,
            by=by,
            tenant=tenant,
            subject="an address",
            now=now,
            reason=reason,
            detail=dict(counts),
        )
        return counts

    return run(work)


UPKEEP_EVERY = timedelta(hours=1)
"""How often `run` does this."""
