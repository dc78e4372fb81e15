"""Suspending and resuming, and the loop by which a running system notices it; sending asks the store by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import structlog

from reconciler.core.errors import Invalid, ReconcilerError
from reconciler.core.heartbeat import Loop
from reconciler.core.registry import Registry
from reconciler.core.suspension import Activity, Suspension, Target, suspended
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.step import Clock
from reconciler.store import suspensions
from reconciler.store.applied import read_applied
from reconciler.store.database import Store

log = structlog.get_logger()

LOOK_SECONDS = 0.5
"""How often the store is asked: a step that begins later than this after the command does not."""


def begin(
    store: Store,
    registry: Registry,
    activity: Activity,
    target: Target,
    *,
    reason: str,
    by: str,
    until: datetime,
    now: datetime,
) -> None:
    """Suspend. Raises Invalid if nothing applied has the target's name, or nothing goes out through it."""
    with store.write() as connection:
        if activity is Activity.SENDING and target.account is not None:
            known = read_applied(connection, registry).accounts.get((target.unit or "", target.account))
            if known is not None and known.account.smtp is None:
                through = known.account.send_from
                why = f"sends through {target.unit}/{through}; suspend that" if through else "sends nothing"
                raise Invalid(f"{target} {why}")
        suspensions.suspend(connection, activity, target, reason=reason, by=by, until=until, now=now)


def end(
    store: Store, activity: Activity, target: Target, *, reason: str | None, by: str, now: datetime
) -> tuple[str, ...]:
    """Resume; returns what to tell: that it is done or was not suspended, and what still keeps the target from it."""
    with store.write() as connection:
        ended = suspensions.resume(connection, activity, target, reason=reason, by=by, now=now)
        key, left = suspensions.account_key(connection, target), suspensions.in_force(connection, now)
    done = f"{activity} of {target} {'goes on' if ended else 'was not suspended'}"
    wider = (s for s in left if s.activity is activity and target.unit is not None and _holds(s, key, target.unit))
    return done, *(f"but {one.sentence}" for one in wider)


def _holds(suspension: Suspension, key: int | None, unit: str) -> bool:
    if key is not None:
        return bool(suspended([suspension], key, unit))
    return suspension.account_key is None and suspension.target.unit in (None, unit)


class SuspensionWatch:
    """Notices suspensions that begin and end, by commands beside it or by the clock."""

    def __init__(
        self, store: Store, on_change: Callable[[], None], clock: Clock, observer: Observer = UNOBSERVED
    ) -> None:
        self._store, self._on_change, self._clock, self._observer = store, on_change, clock, observer
        self._seen: dict[int, Suspension] = {}

    def run(self, stop: threading.Event) -> None:
        """Look until stopped."""
        while True:
            self._observer.beat(Loop.SUSPEND)
            self.look()
            if stop.wait(LOOK_SECONDS):
                return

    def look(self) -> None:
        """One look. A store that does not answer is asked again; what was known holds until then."""
        try:
            with self._store.read() as connection:
                found = {s.id: s for s in suspensions.in_force(connection, self._clock())}
            if found.keys() != self._seen.keys():
                self._on_change()
        except ReconcilerError as error:
            log.warning("suspensions.not_read", reason=str(error))
            return
        for one in found.keys() - self._seen.keys():
            log.info("suspension.in_force", **_fields(found[one]))
        for one in self._seen.keys() - found.keys():
            log.info("suspension.over", **_fields(self._seen[one]))
        self._seen = found


def _fields(suspension: Suspension) -> dict[str, str]:
    return {
        "activity": suspension.activity.value,
        "target": str(suspension.target),
        "until": suspension.until.isoformat(),
        "by": suspension.by,
        "reason": suspension.reason,
    }
