"""The reconcile loop: looks at the accounts folder whenever it may have changed and applies what is good."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from reconciler.core.errors import ReconcilerError, Unavailable, Unsafe
from reconciler.core.finding import Severity
from reconciler.core.outcome import ApplyResult, Result
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import AppliedState
from reconciler.runtime.apply import reconcile_once
from reconciler.runtime.desired import Judge, Reading
from reconciler.runtime.handing import OnResult
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.rolling import judge_effective
from reconciler.runtime.step import Clock
from reconciler.source.files import Reader, Watched
from reconciler.source.watch import Watcher
from reconciler.store.applied import any_draining, finish_draining, purge_retired, purgeable, read_applied
from reconciler.store.database import Store
from reconciler.store.lease import Lease
from reconciler.store.rollbacks import ids_in_force

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """What a look needs: the place to look at, the store to apply to, and the right to write to it.

    `policy` reads the operators' policy anew; it raises Invalid if that cannot be used.
    """

    place: Watched
    store: Store
    registry: Registry
    lease: Lease
    has_secret: Callable[[str, str], bool]
    clock: Clock
    settle: timedelta
    policy: Callable[[], Policy] = lambda: BUILT_IN
    on_result: OnResult = lambda _reading, _result: None


class ReconcileLoop:
    """Looks, applies and reports; level-triggered: every look compares the whole folder with what runs."""

    def __init__(
        self,
        source: Source,
        watcher: Watcher,
        on_applied: Callable[[AppliedState], None],
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._source, self._watcher, self._on_applied, self._observer = source, watcher, on_applied, observer
        self._seen: tuple[str, Policy, tuple[int, ...]] | None = None
        # The right to apply is this process's, so nobody else changes what runs between two looks.
        self._applied: AppliedState | None = None
        self._reader, self._judge = Reader(), Judge(source.registry)

    def run(self, stop: threading.Event) -> None:
        """Look at once, then whenever the watcher says so, until stopped."""
        for looks, _ in enumerate(self._watcher.changes(stop)):
            self.look()
            if looks == 0:
                # What was read for thousands of accounts stays. The collector need not walk through it again and again,
                # while every thread stands still.
                gc.collect()
                gc.freeze()

    def look(self) -> None:
        """One look. Trouble is logged and what runs goes on; the next look is never far."""
        outcome = "failed"
        try:
            self._look()
            outcome = "ok"
        except Unavailable as error:
            self._seen, outcome = None, "unavailable"
            log.warning("source.unavailable", reason=str(error))
        except Unsafe as error:
            self._seen, outcome = None, "refused"
            log.error("source.refused", reason=str(error))
        except ReconcilerError as error:
            self._seen = None
            log.error("reconcile.failed", reason=str(error))
        self._observer.looked(outcome)

    def _look(self) -> None:
        source = self._source
        self._finish_draining()
        # Nothing but the folder's bytes decides whether there is work, never what an event said.
        policy, now = source.policy(), source.clock()
        with source.store.read() as connection:
            rollbacks = ids_in_force(connection, now)
        listing = source.place.listed()
        if self._seen is not None and (listing.fingerprint, policy, rollbacks) == self._seen:
            return
        loaded = self._reader.read(listing)
        with source.store.read() as connection:
            # Known again only once all has gone well: whoever fails half-way may have written.
            applied, self._applied = self._applied or read_applied(connection, source.registry), None
            effective = judge_effective(connection, source.place, loaded, self._judge, applied, now, policy)
        reading = effective.reading
        settling = _settling(source.place, reading, now, source.settle)
        result = reconcile_once(
            source.store,
            source.registry,
            reading,
            source=str(source.place),
            now=now,
            has_secret=source.has_secret,
            lease=source.lease,
            settling=settling,
            policy=policy,
            rolled_back=effective.rolled_back,
            over=effective.over,
            applied=applied,
        )
        self._applied = result.state
        self._report(result)
        source.on_result(reading, result)
        # A settling file is looked at again soon, a blocked unit may be acknowledged in the meantime.
        waits = any(o.result in (Result.BLOCKED, Result.SETTLING) for o in result.tenants)
        self._seen = None if waits or effective.over else (reading.fingerprint, policy, rollbacks)
        if settling:
            threading.Timer(source.settle.total_seconds() / 4, self._watcher.wake).start()

    def _finish_draining(self) -> None:
        """Time alone ends draining and brings the purge, so it is looked at whether files have changed or not."""
        source, now = self._source, self._source.clock()
        with source.store.read() as connection:
            if not any_draining(connection) and not purgeable(connection, now):
                return
        with source.store.write() as connection:
            source.lease.verify(connection)
            retired = finish_draining(connection, now)
            purged = purge_retired(connection, now)
        if purged:
            log.info("accounts.purged", accounts=purged)
        if retired:
            log.info("accounts.drained", accounts=list(retired))
            with source.store.read() as connection:
                self._applied = read_applied(connection, source.registry)
            self._on_applied(self._applied)

    def _report(self, result: ApplyResult) -> None:
        # First the engine, then the log: what is logged as applied holds for the next step.
        if any(o.result in (Result.APPLIED, Result.RETIRED) for o in result.tenants):
            self._on_applied(result.state)
        for outcome in result.tenants:
            if outcome.result is not Result.UNCHANGED:
                log.info(
                    f"unit.{outcome.result.value}",
                    unit=outcome.tenant,
                    revision=outcome.revision,
                    digest=outcome.digest,
                    plan=outcome.plan,
                    reason=outcome.reason or None,
                )


def _settling(place: Watched, reading: Reading, now: datetime, settle: timedelta) -> frozenset[str]:
    """The units whose broken files were written just now: most likely they are being written still."""
    young = set()
    for finding in reading.findings:
        if finding.severity is Severity.ERROR and finding.unit and _young(place, finding.file, now, settle):
            young.add(finding.unit)
    return frozenset(young)


def _young(place: Watched, file: str, now: datetime, settle: timedelta) -> bool:
    written = place.written(file)
    return written is not None and abs(now.timestamp() - written) < settle.total_seconds()
