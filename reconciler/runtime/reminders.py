"""The loop that reminds externals by policy and lets referrals expire; level-triggered, so a missed hour is made up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime
from enum import Enum

import structlog
from sqlalchemy import Connection

from reconciler.core.case import SYSTEM, CaseState, EntryKind
from reconciler.core.errors import ReconcilerError
from reconciler.core.heartbeat import Loop
from reconciler.core.referral import Referral, ReferralEvent, ReferralState
from reconciler.core.registry import Registry
from reconciler.core.reminder import escalation_due, has_expired, reminder_due
from reconciler.core.suspension import Suspension
from reconciler.runtime.desk import existing_case
from reconciler.runtime.errands import Errands
from reconciler.runtime.letters import Desk
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.referring import end_referral, remind
from reconciler.runtime.step import Clock
from reconciler.runtime.tokens import read_keys
from reconciler.runtime.upkeep import UPKEEP_EVERY, keep_up
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store import cases
from reconciler.store.applied import read_applied
from reconciler.store.backup import restore_waits
from reconciler.store.database import Store, instance
from reconciler.store.suspensions import in_force

log = structlog.get_logger()

_ERRAND_SECONDS = 2.0


class _Tended(Enum):
    NOT = "not"
    REMINDED = "reminded"
    EXPIRED = "expired"
    ESCALATED = "escalated"


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
        self._kept_up_at: datetime | None = None
        self._errands = Errands(store, writer, registry, secrets, clock)

    def run(self, stop: threading.Event, seconds: float) -> None:
        """Look after referrals every so many seconds until stopped, and do what rules ask for more often."""
        waited = seconds
        while not stop.is_set():
            self._observer.beat(Loop.REMIND)
            try:
                self._errands.look()
                if waited >= seconds:
                    waited = 0.0
                    self.look()
                self._keep_up()
            except ReconcilerError as error:
                log.warning("reminders.paused", reason=str(error))
            rest = min(_ERRAND_SECONDS, seconds)
            stop.wait(rest)
            waited += rest

    def _keep_up(self) -> None:
        """Expire and take what is old, now and then."""
        now = self._clock()
        if self._kept_up_at is not None and now < self._kept_up_at + UPKEEP_EVERY:
            return
        self._kept_up_at = now
        for tenant, counts in keep_up(self._store, self._writer.run, self._registry, now).items():
            log.info("retention.done", tenant=tenant, **counts)

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
        work, what = self._due(desk, referral, now)
        if work is None:
            return False
        try:
            done = self._writer.run(work)
        except ReconcilerError as error:
            log.warning("referral.not_tended", referral=f"R{referral.id}", reason=str(error))
            return False
        if done:
            log.info(
                "referral.expired"
                if what is _Tended.EXPIRED
                else "referral.escalated"
                if what is _Tended.ESCALATED
                else "referral.reminded",
                referral=f"R{referral.id}",
            )
        return done

    def _due(
        self, desk: Desk, referral: Referral, now: datetime
    ) -> tuple[Callable[[Connection], bool] | None, _Tended]:
        """What is to be done with the referral now, and what that is called."""
        if has_expired(referral, now):
            return lambda c: self._expire(c, referral), _Tended.EXPIRED
        document = desk.state.tenant_document(referral.tenant)
        unit = desk.state.units.get(referral.tenant)
        if document is None or unit is None or unit.retired:
            return None, _Tended.NOT
        settings, hours = document.referrals, document.hours
        escalation = escalation_due(referral, settings.escalate, hours)
        if settings.escalate is not None and escalation is not None and escalation <= now:
            queue = settings.escalate.queue
            return lambda c: self._escalate(c, referral, queue), _Tended.ESCALATED
        due = reminder_due(referral, settings.remind, hours)
        if due is not None and due <= now:
            return lambda c: self._remind(c, desk, referral), _Tended.REMINDED
        return None, _Tended.NOT

    def _escalate(self, connection: Connection, seen: Referral, queue: str) -> bool:
        """Put the case into the queue, once for each referral, unless an answer came or the case was closed."""
        referral = cases.read_referral(connection, seen.id)
        if referral is None or referral.state is not ReferralState.WAITING or referral.escalated_at is not None:
            return False
        now = self._clock()
        cases.update_referral(connection, referral.id, escalated_at=now)
        if existing_case(connection, referral.case_id).state is CaseState.CLOSED:
            return False
        cases.set_queue(connection, referral.case_id, queue, now)
        text = f"{referral.contact_address} has not answered; the case went to the queue {queue}"
        cases.add_entry(
            connection,
            referral.case_id,
            EntryKind.EVENT,
            author=SYSTEM,
            text=text,
            now=now,
            referral_id=referral.id,
        )
        return True

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
