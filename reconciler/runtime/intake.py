"""Has stored mails decided and writes what was decided; a mail that fails three times is held, the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import structlog
from sqlalchemy import Connection

from reconciler.core.decision import HoldReason
from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.core.heartbeat import Loop
from reconciler.runtime.faults import reach
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.router_process import RouterProcess
from reconciler.runtime.step import Clock
from reconciler.runtime.together import Failure, PutOff, goes
from reconciler.runtime.writer import Writer
from reconciler.store import ledger
from reconciler.store.database import Store
from reconciler.store.filing import Filed, Filing, file_mail, hold_unrouted

log = structlog.get_logger()

MOST_ATTEMPTS = 3
MOST_INTERRUPTIONS = 10
"""A mail that was being read this often when the whole program ended is held too: it may be what ends it."""

_BATCH = 200


class Intake:
    """Routes what waits in the ledger, in goes of many mails in the router process."""

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
            for go in goes(waiting):
                if stop():
                    return routed
                routed += self._route([mail.id for mail in go])
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
            if not stop.is_set():
                wake.wait(1.0)

    @contextmanager
    def beside(self, wake: threading.Event) -> Iterator[None]:
        """Route in a thread while the block fetches, and the rest when it has ended; `wake` says that mails came."""
        stop = threading.Event()
        with ThreadPoolExecutor(1, "route") as threads:
            routing = threads.submit(self.run, stop, wake)
            try:
                yield
            finally:
                stop.set()
                wake.set()
        routing.result()
        self.drain()

    def _route(self, mail_ids: Sequence[int]) -> int:
        """One go: the attempts are counted before they are made. How many mails do not wait any more."""
        self._beat()
        # Starting takes long; if the program ends meanwhile, that is not these mails' doing.
        self._router.start()
        counted = self._writer.run(lambda c: ledger.count_attempts(c, mail_ids, self._boot))
        for mail_id, (_attempts, interrupted) in counted.items():
            if interrupted >= MOST_INTERRUPTIONS:
                # It was alone in its go.
                return self._hold(mail_id, f"the program ended {interrupted} times while it read this mail")
        try:
            found = self._router.route(mail_ids, self._seconds, self._beat)
        except Unavailable:
            # Nothing can be routed now: that is no failure of the mails.
            self._forgive(mail_ids)
            raise
        lost = found.lost.mail_id if found.lost is not None else None
        unanswered = [i for i in mail_ids if i not in found.answers and i != lost]
        anew = [*unanswered, *(i for i, answer in found.answers.items() if answer is PutOff.PUT_OFF)]
        routed = self._file({i: a for i, a in found.answers.items() if isinstance(a, Filing)}, counted, anew)
        for mail_id, answer in found.answers.items():
            if isinstance(answer, Failure):
                routed += self._failed(mail_id, counted[mail_id][0], answer.text)
        if found.lost is not None and lost is not None:
            routed += self._failed(lost, counted[lost][0], found.lost.text)
        return routed

    def _file(self, filings: Mapping[int, Filing], counted: Mapping[int, tuple[int, int]], anew: Sequence[int]) -> int:
        """Have the filings written, which share a commit; what is to be decided anew gets its attempt back."""
        for _ in filings:
            reach("decided")
        now = self._clock()
        writing = {i: self._writer.submit(_filing(filing, now)) for i, filing in filings.items()}
        routed, stale, trouble = 0, list(anew), None
        for mail_id, future in writing.items():
            try:
                filed = future.result()
            except ReconcilerError as error:
                trouble = error
                continue
            except Exception as error:
                routed += self._failed(mail_id, counted[mail_id][0], f"{type(error).__name__}: {error}")
                continue
            reach("committed")
            if filed is Filed.STALE:
                # What it rested on has changed meanwhile: that is no failure of the mail.
                stale.append(mail_id)
                continue
            self._tell(filings[mail_id])
            routed += 1
        if trouble is not None:
            raise trouble
        self._forgive(stale)
        return routed

    def _tell(self, filing: Filing) -> None:
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

    def _forgive(self, mail_ids: Sequence[int]) -> None:
        if mail_ids:
            self._writer.run(lambda c: ledger.forgive_attempts(c, mail_ids))

    def _beat(self) -> None:
        self._observer.beat(Loop.ROUTE)

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


def _filing(filing: Filing, now: datetime) -> Callable[[Connection], Filed]:
    return lambda connection: file_mail(connection, filing, now)
