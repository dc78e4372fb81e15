"""Brings the applied state to the desired one, unit by unit; knows no files, and takes no decision of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.core.diff import diff, touched
from reconciler.core.errors import Blocked, Unavailable, Unsafe
from reconciler.core.finding import Finding, Severity
from reconciler.core.outcome import ApplyResult, Result, UnitOutcome
from reconciler.core.plan import HasSecret, Plan, TenantPlan, unit_order
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import AccountStatus, AppliedState
from reconciler.core.rollback import Rollback
from reconciler.core.saved import SavedPlan, differences_from
from reconciler.core.status import Sync, UnitStatus
from reconciler.runtime.desired import Reading
from reconciler.runtime.faults import reach
from reconciler.runtime.owners import Telling
from reconciler.store.applied import commit_of, finish_draining, forget_unit, read_applied, write_sync, write_unit
from reconciler.store.database import Store
from reconciler.store.lease import Lease
from reconciler.store.rollbacks import end_all
from reconciler.store.standing import acknowledged, read_impacts, read_units

_NONE: Mapping[str, Rollback] = {}


def reconcile_once(
    store: Store,
    registry: Registry,
    reading: Reading,
    *,
    source: str,
    now: datetime,
    has_secret: HasSecret,
    lease: Lease,
    author: str | None = None,
    settling: frozenset[str] = frozenset(),
    policy: Policy = BUILT_IN,
    expected: SavedPlan | None = None,
    rolled_back: Mapping[str, Rollback] = _NONE,
    over: Sequence[Rollback] = (),
    applied: AppliedState | None = None,
) -> ApplyResult:
    """Apply every unit that is valid, changed and not guarded, each in a transaction of its own, `main` first.

    `rolled_back` are the units whose earlier revision `reading` holds instead of their files, `over` the rollbacks that
    their files have ended. `applied` is what runs, if the holder of `lease` has just read it. `settling` names units
    whose files are broken but were written just now. Doing it twice changes nothing. Units with errors keep their
    running revision, and so do guarded ones until their plan's digest is acknowledged, and those that would send a
    bound secret elsewhere until `policy` unlocks it. Raises Unavailable, before anything is written, if main.yaml is
    missing; with `expected`, Unsafe if the plan is not exactly that one, Blocked if something stops a part of it; and
    when the lease was lost, with the units before that point applied.
    """
    if reading.main_missing:
        raise Unavailable(f"{source}: main.yaml is missing; nothing advances, and what runs goes on")
    with store.read() as connection:
        applied = applied or read_applied(connection, registry)
        impacts = read_impacts(connection, touched(reading.desired, applied))
        passed = acknowledged(connection)
        standing = {unit.unit: unit for unit in read_units(connection)}
    plan = diff(reading.desired, applied, impacts, has_secret=has_secret, policy=policy)
    if expected is not None:
        _hold_to(expected, plan, applied, passed)
    pass_ = _Pass(store, reading, source, author, now, lease, standing, rolled_back)
    pass_.end(over)
    plans = {p.tenant: p for p in plan.tenants}
    outcomes = []
    for unit in sorted({*reading.desired.units, *reading.desired.held, *plans}, key=unit_order):
        if unit in reading.desired.held:
            outcomes.append(pass_.hold(unit, settling=unit in settling))
        elif unit not in plans:
            outcomes.append(pass_.keep(unit))
        elif plans[unit].blocked(passed):
            outcomes.append(pass_.block(plans[unit], plans[unit].reason(passed, plan.limits)))
        else:
            outcomes.append(pass_.write(plans[unit]))
    tidied = pass_.tidy(applied)
    after = applied
    if tidied or any(outcome.result in (Result.APPLIED, Result.RETIRED) for outcome in outcomes):
        with store.read() as connection:
            after = read_applied(connection, registry)
    result = ApplyResult(tuple(outcomes), plan.secrets_to_provide, after)
    Telling(store, lease, applied, reading, now).tell(result)
    return result


def _hold_to(expected: SavedPlan, plan: Plan, applied: AppliedState, passed: frozenset[str]) -> None:
    differing = differences_from(expected, plan, applied)
    if differing:
        raise Unsafe(f"nothing is applied, for this is not what the plan says: {'; '.join(differing)}")
    blocked = plan.blocked(passed)
    if blocked:
        reasons = "; ".join(f"{tenant.tenant}: {tenant.reason(passed, plan.limits)}" for tenant in blocked)
        raise Blocked(f"nothing is applied, for a part of the plan is blocked: {reasons}")


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over the units: what to write, on whose behalf, and how the units stood before."""

    store: Store
    reading: Reading
    source: str
    author: str | None
    now: datetime
    lease: Lease
    standing: dict[str, UnitStatus]
    rolled_back: Mapping[str, Rollback]

    def end(self, over: Sequence[Rollback]) -> None:
        """Write down that the files have ended these rollbacks."""
        if over:
            with self.store.write() as connection:
                self.lease.verify(connection)
                ids = [rollback.id for rollback in over]
                end_all(connection, ids, reason="the files have changed", by="apply", now=self.now)

    def write(self, plan: TenantPlan) -> UnitOutcome:
        wanted = self.reading.desired.units.get(plan.tenant)
        rollback = self.rolled_back.get(plan.tenant)
        with self.store.write() as connection:
            self.lease.verify(connection)
            revision = write_unit(
                connection,
                plan,
                wanted,
                source=f"rollback to revision {rollback.revision}" if rollback else self.source,
                commit=commit_of(connection, rollback.revision) if rollback else self.reading.desired.commit,
                author=rollback.by if rollback else self.author,
                now=self.now,
            )
            if rollback is not None:
                write_sync(connection, plan.tenant, Sync.ROLLED_BACK, rollback.sentence, rollback.files, self.now)
        reach("applied", plan.tenant)
        if wanted is None:
            return UnitOutcome(plan.tenant, revision, plan.base, Result.RETIRED, plan.digest)
        return UnitOutcome(plan.tenant, revision, wanted.digest, Result.APPLIED, plan.digest)

    def keep(self, unit: str) -> UnitOutcome:
        rollback = self.rolled_back.get(unit)
        if rollback is not None:
            self._stand(unit, Sync.ROLLED_BACK, rollback.sentence, rollback.files)
        else:
            self._stand(unit, Sync.SYNCED, "", self.reading.desired.units[unit].digest)
        return self._staying(unit, Result.UNCHANGED)

    def hold(self, unit: str, *, settling: bool) -> UnitOutcome:
        errors = (f for f in self.reading.findings if f.unit == unit and f.severity is Severity.ERROR)
        reason = _sentence(next(errors))
        self._stand(unit, Sync.SETTLING if settling else Sync.HELD, reason, None)
        return self._staying(unit, Result.SETTLING if settling else Result.HELD, reason=reason)

    def block(self, plan: TenantPlan, reason: str) -> UnitOutcome:
        self._stand(plan.tenant, Sync.BLOCKED, reason, plan.target)
        return self._staying(plan.tenant, Result.BLOCKED, plan.digest, reason)

    def tidy(self, applied: AppliedState) -> bool:
        """Let go of what waits for nothing more: units that never ran and are gone, accounts that drained.

        Returns whether there may have been something.
        """
        known = {*self.reading.desired.units, *self.reading.desired.held}
        ghosts = [u.unit for u in self.standing.values() if u.revision is None and u.unit not in known]
        draining = any(a.status is AccountStatus.DRAINING for a in applied.accounts.values())
        if not ghosts and not draining:
            return False
        with self.store.write() as connection:
            self.lease.verify(connection)
            for unit in ghosts:
                forget_unit(connection, unit)
            finish_draining(connection, self.now)
        return True

    def _staying(self, unit: str, result: Result, plan: str | None = None, reason: str = "") -> UnitOutcome:
        runs = self.standing.get(unit)
        revision, digest = (runs.revision, runs.applied_digest) if runs is not None else (None, None)
        return UnitOutcome(unit, revision, digest, result, plan, reason)

    def _stand(self, unit: str, sync: Sync, reason: str, digest: str | None) -> None:
        stands = self.standing.get(unit)
        if stands is not None and (stands.sync, stands.reason, stands.attempted_digest) == (sync, reason, digest):
            return
        with self.store.write() as connection:
            self.lease.verify(connection)
            write_sync(connection, unit, sync, reason, digest, self.now)


def _sentence(finding: Finding) -> str:
    return f"{finding.file}:{finding.line}:{finding.column}: {finding.code} {finding.message}"
