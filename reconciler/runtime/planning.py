"""Compares the accounts folder with the applied state and shows the plan; writes nothing, not even an empty store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.core.diff import diff, touched
from reconciler.core.errors import ExitCode, Invalid, NotSetUp, worst
from reconciler.core.finding import Severity
from reconciler.core.plan import BaseKind, HasSecret, Plan
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import NOTHING_APPLIED, Bindings
from reconciler.core.snapshot import Base, base_of_files
from reconciler.runtime.desired import Reading, read_place
from reconciler.runtime.rolling import read_effective
from reconciler.source.files import Place
from reconciler.store.applied import read_applied
from reconciler.store.database import Store, open_store
from reconciler.store.standing import acknowledged, read_impacts


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, what was read for it, the digests that were acknowledged, and a sentence for each tenant rolled back.

    `bindings`: where secrets may go by what the plan compares with.
    """

    plan: Plan
    reading: Reading
    acknowledged: frozenset[str]
    rolled_back: tuple[str, ...] = ()
    bindings: Bindings = field(default_factory=dict)

    def exit_code(self, *, changes_count: bool) -> ExitCode:
        """1 with errors in files, 3 if a guard blocks, 2 with changes if these count, 0 otherwise."""
        errors = any(finding.severity is Severity.ERROR for finding in self.reading.findings)
        return worst(
            *([ExitCode.FINDINGS] if errors else []),
            *([ExitCode.BLOCKED] if self.plan.blocked(self.acknowledged) else []),
            *([ExitCode.CHANGES] if changes_count and self.plan.tenants else []),
        )


def plan_once(
    place: Place,
    against: Base | str,
    registry: Registry,
    has_secret: HasSecret,
    policy: Policy = BUILT_IN,
    *,
    now: datetime,
) -> Planned:
    """The plan that leads to what the place holds: from a base, or from the applied state at a URL (or from none).

    Raises Unavailable if it cannot be had or the store does not answer.
    """
    if isinstance(against, Base):
        return _plan(place, against, registry, has_secret, policy)
    with existing(against) as store:
        if store is None:
            nothing = Base(BaseKind.APPLIED, against, NOTHING_APPLIED, {})
            return _plan(place, nothing, registry, has_secret, policy)
        with store.read() as connection:
            applied = read_applied(connection, registry)
            effective = read_effective(connection, place, registry, applied, now, policy)
            reading = effective.reading
            impacts = read_impacts(connection, touched(reading.desired, applied))
            passed = acknowledged(connection)
        plan = diff(reading.desired, applied, impacts, has_secret=has_secret, state=store.url, policy=policy)
        told = tuple(r.sentence for r in effective.rolled_back.values())
        return Planned(plan, reading, passed, told, applied.bindings)


def base_at(place: Place, registry: Registry) -> Base:
    """The files at a revision, as if they ran; units with errors there are as good as absent, and named.

    Raises Unavailable if they cannot be had, Invalid if they hold no main.yaml.
    """
    reading = read_place(place, registry)
    if reading.main_missing:
        raise Invalid(f"{place} has no main.yaml, so it is nothing to compare with; name another revision")
    return base_of_files(reading.desired, str(place))


def take_snapshot(store: Store, registry: Registry) -> Base:
    """What runs at the store, with the numbers about its accounts."""
    with store.read() as connection:
        applied = read_applied(connection, registry)
        impacts = read_impacts(connection, frozenset(applied.units))
        return Base(BaseKind.SNAPSHOT, store.url, applied, impacts, acknowledged(connection))


def _plan(place: Place, base: Base, registry: Registry, has_secret: HasSecret, policy: Policy) -> Planned:
    reading = read_place(place, registry, base.applied, policy)
    plan = diff(
        reading.desired,
        base.applied,
        base.impacts,
        has_secret=has_secret,
        state=base.name,
        policy=policy,
        kind=base.kind,
    )
    return Planned(plan, reading, base.acknowledged, bindings=base.applied.bindings)


@contextmanager
def existing(state: str) -> Iterator[Store | None]:
    """The store at this URL, closed at the end; None if there is none."""
    try:
        store = open_store(state)
    except NotSetUp:
        yield None
        return
    try:
        yield store
    finally:
        store.close()
