"""Compares the accounts folder with the applied state and shows the plan; writes nothing, not even an empty store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.core.diff import diff, touched
from reconciler.core.errors import ExitCode, NotSetUp, worst
from reconciler.core.finding import Severity
from reconciler.core.plan import HasSecret, Plan
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import NOTHING_APPLIED
from reconciler.runtime.desired import Reading, read_place
from reconciler.source.files import Place
from reconciler.store.applied import read_applied
from reconciler.store.database import Store, open_store
from reconciler.store.standing import acknowledged, read_impacts


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, what was read for it, and the digests that were acknowledged."""

    plan: Plan
    reading: Reading
    acknowledged: frozenset[str]

    def exit_code(self, *, changes_count: bool) -> ExitCode:
        """1 with errors in files, 3 if a guard blocks, 2 with changes if these count, 0 otherwise."""
        errors = any(finding.severity is Severity.ERROR for finding in self.reading.findings)
        return worst(
            *([ExitCode.FINDINGS] if errors else []),
            *([ExitCode.BLOCKED] if self.plan.blocked(self.acknowledged) else []),
            *([ExitCode.CHANGES] if changes_count and self.plan.tenants else []),
        )


def plan_once(
    place: Place, state: str, registry: Registry, has_secret: HasSecret, policy: Policy = BUILT_IN
) -> Planned:
    """The plan that leads from the applied state at `state` (or from none) to what the place holds.

    Raises Unavailable if it cannot be had or the store does not answer.
    """
    with existing(state) as store:
        if store is None:
            reading = read_place(place, registry, policy=policy)
            plan = diff(reading.desired, NOTHING_APPLIED, {}, has_secret=has_secret, state=state, policy=policy)
            return Planned(plan, reading, frozenset())
        with store.read() as connection:
            applied = read_applied(connection, registry)
            reading = read_place(place, registry, applied, policy)
            impacts = read_impacts(connection, touched(reading.desired, applied))
            passed = acknowledged(connection)
        plan = diff(reading.desired, applied, impacts, has_secret=has_secret, state=store.url, policy=policy)
        return Planned(plan, reading, passed)


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
