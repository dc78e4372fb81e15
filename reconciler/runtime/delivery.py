"""Sends what is in the outbox: a step per account, each try counted before it is made; no account waits for another."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from reconciler.core.errors import ReconcilerError
from reconciler.core.heartbeat import Loop
from reconciler.core.outbox import DeliveryLine
from reconciler.core.schedule import StepEnd, after_step
from reconciler.runtime.clock import steady_now
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.sending import Left, Postbox, SendingStep
from reconciler.runtime.submission import Line, Lines
from reconciler.store import outbox
from reconciler.store.applied import newest_revision

log = structlog.get_logger()

_FAILED = StepEnd(failed=True, permanent=False, backlog=None, wait=None)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a step ended; `left` is what the store has still to take."""

    key: int
    end: StepEnd
    lines: list[DeliveryLine]
    left: Left


class Sender:
    """Runs sending steps, one at a time per account, in threads. An account in trouble rests; the others go on."""

    def __init__(
        self, postbox: Postbox, on_sent: Callable[[DeliveryLine], None], observer: Observer = UNOBSERVED
    ) -> None:
        self._postbox, self._on_sent, self._observer = postbox, on_sent, observer
        self._lines = Lines(postbox.settings)
        self._revision: int | None = None
        self._stranded: list[Left] = []
        self._stopped = False
        self._done: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        now = postbox.clock()
        requeued = postbox.writer.run(lambda c: outbox.requeue_interrupted(c, postbox.boot, now))
        if requeued:
            log.warning("outbox.possibly_twice", mails=requeued)

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Send what is due until stopped; `wake` says that something may be."""
        while not stop.is_set():
            self._observer.beat(Loop.SEND)
            wake.clear()
            try:
                self._start(self._ready())
            except ReconcilerError as error:
                log.warning("sending.paused", reason=str(error))
            self._lines.close_idle()
            wake.wait(0.05 if self._collect(0.0) else self._postbox.settings.send_seconds)
        self._wait_for_busy()
        self._lines.close()

    def step(self) -> None:
        """One step for each account that has something to send."""
        todo = set(self._ready())
        while todo or self._lines.busy:
            todo -= self._start(sorted(todo))
            self._collect(0.2)
        self._end()

    def drain(self) -> None:
        """Send until nothing is due; what a server deferred, or a rate forbids, stays for later."""
        while not self._stopped and (self._start(self._ready()) or self._lines.busy):
            self._collect(0.2)
        self._end()

    def stop(self) -> None:
        """Let a drain end after the steps in hand. Callable from any thread."""
        self._stopped = True

    def _end(self) -> None:
        """The last steps may have left something that the store takes now; raises if it does not."""
        self._wait_for_busy()
        self._lines.close()
        self._settle()

    def _ready(self) -> list[int]:
        """The accounts that have something to send and need not rest, the one that was served longest ago first."""
        self._settle()
        with self._postbox.store.read() as connection:
            due = outbox.due_accounts(connection, self._postbox.clock())
            revision = newest_revision(connection)
        if revision != self._revision:
            self._revision = revision
            self._lines.rested()
        now, busy = steady_now(), self._lines.busy
        ready = [key for key in due if key not in busy and self._lines.line(key).turn.next_at <= now]
        return sorted(ready, key=lambda key: self._lines.line(key).used_at)

    def _start(self, keys: Collection[int]) -> set[int]:
        """Start a step for each of these accounts, as far as there may be connections; returns which."""
        started: set[int] = set()
        for key in keys:
            line = self._lines.take(key)
            if line is None:
                break
            started.add(key)
            threading.Thread(target=self._step, args=(key, line), name=f"send {key}", daemon=True).start()
        return started

    def _settle(self) -> None:
        """Have the store take what ended steps have left, before anything else is sent.

        What is still marked as being sent after that has no step any more: its outcome is unknown.
        """
        if not self._stranded:
            return
        postbox, busy, now = self._postbox, self._lines.busy, self._postbox.clock()
        stranded = list(self._stranded)

        def write(connection: Connection) -> list[DeliveryLine]:
            lines = [result(connection) for left in stranded for result in left.results]
            outbox.put_back(connection, [i for left in stranded for i in left.untried], postbox.boot, None)
            outbox.requeue_stranded(connection, busy, now)
            return lines

        lines = postbox.writer.run(write)
        del self._stranded[: len(stranded)]
        self._tell(lines)

    def _collect(self, seconds: float) -> int:
        """Take the ends of steps that are there, waiting at most so long for the first."""
        count = 0
        try:
            while True:
                ended = self._done.get(timeout=seconds) if seconds and not count else self._done.get_nowait()
                count += 1
                self._take(ended)
        except queue.Empty:
            return count

    def _take(self, ended: _Ended) -> None:
        self._lines.give_back(ended.key)
        line = self._lines.line(ended.key)
        line.turn = after_step(line.turn, ended.end, timedelta(0), steady_now(), random.random())
        if ended.end is _FAILED:
            self._stranded.append(ended.left)
        self._tell(ended.lines)

    def _tell(self, lines: list[DeliveryLine]) -> None:
        for line in lines:
            self._observer.sent(line)
            self._on_sent(line)

    def _wait_for_busy(self) -> None:
        """Let the mails in hand end, within the time a server has for one answer."""
        waited = 0.0
        while self._lines.busy and waited < self._postbox.settings.command_seconds:
            waited += 0.2
            self._collect(0.2)

    def _step(self, key: int, line: Line) -> None:
        """In a thread of its own: a step of one account."""
        step, end = SendingStep(self._postbox, key, line), _FAILED
        try:
            end = step.run()
        except Exception as error:
            log.error("sending.failed", account=key, reason=f"{type(error).__name__}: {error}")
        finally:
            self._done.put(_Ended(key, end, step.lines, step.left))
