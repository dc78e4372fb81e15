"""The loop that reminds externals by policy and lets referrals expire; level-triggered, so a missed hour is made up."""

from __future__ import annotations

import threading
from collections.abc import Collection

import structlog
from sqlalchemy import Connection

from reconciler.core.case import SYSTEM, CaseState
from reconciler.core.errors import ReconcilerError
from reconciler.core.heartbeat import Loop
from reconciler.core.referral import Referral, ReferralEvent, ReferralState
from reconciler.core.registry import Registry
from reconciler.core.reminder import has_expired, reminder_due
from reconciler.core.suspension import Suspension
from reconciler.runtime.desk import existing_case
from reconciler.runtime.letters import Desk
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.referring import end_referral, remind
from reconciler.runtime.step import Clock
from reconciler.runtime.tokens import read_keys
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store import cases
from reconciler.store.applied import read_applied
from reconciler.store.backup import restore_waits
from reconciler.store.database import Store, instance
from reconciler.store.suspensions import in_force

log = structlog.get_logger()


class Reminding:
    """Looks at the waiting referrals now and then; each reminder and each expiry is a transaction of its own."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        registry: Registry,
        secrets: SecretStore,
        clock: Clock,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._store, self._writer, self._registry, self._secrets, self._clock = store, writer, registry, secrets, clock
        self._observer = observer

    def run(self, stop: threading.Event, seconds: float) -> None:
        """Look every so many seconds until stopped."""
        while not stop.is_set():
            self._observer.beat(Loop.REMIND)
            try:
                self.look()
            except ReconcilerError as error:
                log.warning("reminders.paused", reason=str(error))
            stop.wait(seconds)

    def look(self) -> int:
        """Remind and expire what is due now; returns how many referrals that were.

        Nothing is done while a restored store waits for a person: the reminder may have gone out before. Nor where
        fetching or sending is suspended: the answer may lie in the mailbox, and reminders would pile up.
        """
        with self._store.read() as connection:
            if restore_waits(connection):
                return 0
            stopping = in_force(connection, self._clock())
            waiting = [r for r in cases.waiting_referrals(connection) if not _rests(stopping, r)]
            desk = Desk(read_applied(connection, self._registry), read_keys(self._secrets), instance(connection))
        return sum(self._tend(desk, referral) for referral in waiting)

    def _tend(self, desk: Desk, referral: Referral) -> bool:
        self._observer.beat(Loop.REMIND)
        now = self._clock()
        document = desk.state.tenant_document(referral.tenant)
        unit = desk.state.units.get(referral.tenant)
        policy = document.referrals.remind if document is not None and unit is not None and not unit.retired else None
        due, expired = reminder_due(referral, policy), has_expired(referral, now)
        if not expired and (due is None or due > now):
            return False
        try:
            done = self._writer.run(lambda c: self._expire(c, referral) if expired else self._remind(c, desk, referral))
        except ReconcilerError as error:
            log.warning("referral.not_tended", referral=f"R{referral.id}", reason=str(error))
            return False
        if done:
            log.info("referral.expired" if expired else "referral.reminded", referral=f"R{referral.id}")
        return done

    def _expire(self, connection: Connection, seen: Referral) -> bool:
        """Let it expire unless an answer came since it was looked at."""
        referral = cases.read_referral(connection, seen.id)
        if referral is None or referral.state is not ReferralState.WAITING:
            return False
        end_referral(connection, referral, ReferralEvent.EXPIRE, SYSTEM, self._clock())
        return True

    def _remind(self, connection: Connection, desk: Desk, seen: Referral) -> bool:
        """Remind if nothing has changed since it was looked at, and the case is still open."""
        referral = cases.read_referral(connection, seen.id)
        if referral != seen or existing_case(connection, seen.case_id).state is CaseState.CLOSED:
            return False
        remind(connection, desk, referral, SYSTEM, "", self._clock())
        return True


def _rests(suspensions: Collection[Suspension], referral: Referral) -> bool:
    unit = referral.account.partition("/")[0]
    return any(s.covers(referral.account_key, unit) or s.covers(0, referral.tenant) for s in suspensions)
