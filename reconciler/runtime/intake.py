"""Has stored mails decided and writes what was decided; a mail that fails three times is held, the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from reconciler.core.decision import HoldReason
from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.core.heartbeat import Loop
from reconciler.runtime.faults import reach
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.router_process import Failure, Lost, RouterProcess
from reconciler.runtime.step import Clock
from reconciler.runtime.writer import Writer
from reconciler.store import ledger
from reconciler.store.database import Store
from reconciler.store.filing import Filed, Filing, file_mail, hold_unrouted

log = structlog.get_logger()

MOST_ATTEMPTS = 3
MOST_INTERRUPTIONS = 10
"""A mail that was being read this often when the whole program ended is held too: it may be what ends it."""

_BATCH = 100


class Intake:
    """Routes what waits in the ledger, one mail at a time in the router process."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        router: RouterProcess,
        *,
        boot: str,
        seconds: float,
        clock: Clock,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._store, self._writer, self._router = store, writer, router
        self._boot, self._seconds, self._clock, self._observer = boot, seconds, clock, observer
        writer.run(lambda c: ledger.forgive_interrupted(c, boot))

    def drain(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Route all that waits; returns how many mails were decided or held."""
        routed = 0
        while not stop():
            with self._store.read() as connection:
                waiting = ledger.waiting(connection, _BATCH)
            if not waiting:
                return routed
            for mail_id, _attempts in waiting:
                if stop():
                    return routed
                routed += self._route(mail_id)
        return routed

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Route until stopped; `wake` says that mails may have come, and once a second it is looked at anyway."""
        while not stop.is_set():
            self._observer.beat(Loop.ROUTE)
            wake.clear()
            try:
                self.drain(stop.is_set)
            except ReconcilerError as error:
                log.warning("intake.paused", reason=str(error))
            wake.wait(1.0)

    def _route(self, mail_id: int) -> int:
        """One attempt, counted before it is made. 1 if the mail does not wait any more."""
        self._observer.beat(Loop.ROUTE)
        # Starting takes long; if the program ends meanwhile, that is not this mail's doing.
        self._router.start()
        attempts, interrupted = self._writer.run(lambda c: ledger.count_attempt(c, mail_id, self._boot))
        if interrupted >= MOST_INTERRUPTIONS:
            return self._hold(mail_id, f"the program ended {interrupted} times while it read this mail")
        try:
            answer = self._router.route(mail_id, self._seconds)
        except Lost as lost:
            return self._failed(mail_id, attempts, str(lost))
        except Unavailable:
            # Nothing can be routed now: that is no failure of the mail.
            self._writer.run(lambda c: ledger.forgive_attempt(c, mail_id))
            raise
        match answer:
            case None:
                return 0
            case Failure(text=text):
                return self._failed(mail_id, attempts, text)
            case Filing() as filing:
                return self._file(filing, attempts)

    def _file(self, filing: Filing, attempts: int) -> int:
        reach("decided")
        try:
            filed = self._writer.run(lambda c: file_mail(c, filing, self._clock()))
        except ReconcilerError:
            raise
        except Exception as error:
            return self._failed(filing.mail_id, attempts, f"{type(error).__name__}: {error}")
        reach("committed")
        if filed is Filed.STALE:
            # What it rested on has changed meanwhile: that is no failure of the mail.
            self._writer.run(lambda c: ledger.forgive_attempt(c, filing.mail_id))
            return 0
        decision = filing.decision
        self._observer.routed(decision.action.value, filing.summary.kind.value)
        log.info(
            "mail.routed",
            mail=f"M{filing.mail_id}",
            account=filing.account,
            kind=filing.summary.kind.value,
            action=decision.action.value,
            reason=decision.reason.value if decision.reason else None,
        )
        if decision.reason is HoldReason.TOO_MANY:
            log.error("mail.capped", mail=f"M{filing.mail_id}", account=filing.account, reason=decision.detail)
        return 1

    def _failed(self, mail_id: int, attempts: int, why: str) -> int:
        log.warning("mail.attempt_failed", mail=f"M{mail_id}", attempt=attempts, reason=why)
        if attempts >= MOST_ATTEMPTS:
            return self._hold(mail_id, f"attempt {attempts} failed: {why}")
        self._writer.run(lambda c: ledger.attempt_failed(c, mail_id))
        return 0

    def _hold(self, mail_id: int, detail: str) -> int:
        now = self._clock()
        self._writer.run(lambda c: hold_unrouted(c, mail_id, HoldReason.POISON, detail, now))
        log.warning("mail.held", mail=f"M{mail_id}", reason=HoldReason.POISON.value, detail=detail)
        return 1
