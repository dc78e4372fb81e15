"""The fetch engine: opens cycles, runs their steps in threads, and lets no account wait for another's server."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from reconciler.core.fetch import StepLine
from reconciler.core.health import Condition, Trouble
from reconciler.core.heartbeat import Loop
from reconciler.core.schedule import StepEnd, Turn, after_step, due, next_opening
from reconciler.protocol.base import Limits, Session
from reconciler.runtime.asking import answered_by_waiting
from reconciler.runtime.clock import steady_now
from reconciler.runtime.cursor import Cursor
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.step import Step, StepReport, Tools, failed
from reconciler.store.health import write_health

HEALTH_EVERY = timedelta(seconds=10)
"""A step that changes nothing in an account's health is written down at most this often."""


@dataclass(slots=True)
class _Line:
    """An account's open session and what is remembered with it; used by one step at a time.

    `account` is the account as it was when the session was last used.
    `next_login`: the instant (monotonic seconds) before which the server wants no further login.
    """

    account: FetchAccount
    session: Session | None = None
    connection: tuple[object, ...] = ()
    cursor: Cursor = field(default_factory=Cursor)
    next_login: float = 0.0


@dataclass(slots=True)
class _Running:
    """A step in its thread."""

    account: FetchAccount
    cycle: int
    started: float
    late: bool = False
    aborted: bool = False


class Engine:
    """Runs cycles until it is stopped. All its methods but `set_accounts`, `wake` and `stop` belong to one thread."""

    def __init__(self, tools: Tools, on_step: Callable[[StepLine], None], observer: Observer = UNOBSERVED) -> None:
        self._tools, self._on_step, self._observer = tools, on_step, observer
        self._accounts: dict[int, FetchAccount] = {}
        self._next_accounts: Mapping[int, FetchAccount] | None = None
        self._lines: dict[int, _Line] = {}
        self._ending: list[threading.Thread] = []
        self._turns: dict[int, Turn] = {}
        self._running: dict[int, _Running] = {}
        self._reports: queue.SimpleQueue[StepReport | None] = queue.SimpleQueue()
        self._written: dict[int, tuple[Condition, str, int | None, float]] = {}
        self._cycle = 0
        self._stopping = threading.Event()

    def set_accounts(self, accounts: Mapping[int, FetchAccount]) -> None:
        """Swap the accounts; running steps end with the settings they began with. Callable from any thread."""
        self._next_accounts = dict(accounts)
        self._reports.put(None)

    def stop(self) -> None:
        """Let what is in hand end and return from the loop. Callable from any thread."""
        self._stopping.set()
        self._reports.put(None)

    def run(self) -> None:
        """Open a cycle whenever an account is due, until `stop`."""
        while not self._stopping.is_set():
            self._swap_accounts()
            if keys := due(self._turns, self._running, steady_now()):
                self._run_cycle(keys)
            else:
                self._wait(self._until_next())
        self._finish()

    def run_cycles(self, cycles: int) -> None:
        """Exactly so many cycles, each with a step for every account that has none running."""
        self._swap_accounts()
        for _ in range(cycles):
            self._run_cycle([key for key in self._accounts if key not in self._running])
        self._finish()

    def drain(self) -> None:
        """Cycles over the accounts with a backlog until there is none; failed accounts are left alone.

        A late account is waited for at the end, but for less than the time its server has for an answer.
        """
        self._swap_accounts()
        todo = set(self._accounts)
        while todo and not self._stopping.is_set():
            ready = [key for key in self._accounts if key in todo and key not in self._running]
            if ready:
                self._run_cycle(ready)
            elif not self._a_late_one_ends():
                break
            todo = {k for k in todo if k in self._running or (self._turns[k].backlog and not self._turns[k].failures)}
        self._finish()

    def _a_late_one_ends(self) -> bool:
        settings = self._tools.settings
        patience = min(settings.connect_seconds, settings.command_seconds, settings.step_seconds) / 4
        running = len(self._running)
        while len(self._running) == running:
            left = max(r.started for r in self._running.values()) + patience - time.monotonic()
            if left <= 0:
                return False
            self._wait(min(left, 0.2))
        return True

    def _swap_accounts(self) -> None:
        if self._next_accounts is None:
            return
        accounts, self._next_accounts = dict(self._next_accounts), None
        now = steady_now()
        for key in self._accounts.keys() - accounts.keys():
            self._turns.pop(key, None)
            if key not in self._running:
                self._drop_line(key)
        for key, account in accounts.items():
            if self._accounts.get(key) != account:
                backlog = self._turns[key].backlog if key in self._turns else 0
                self._turns[key] = Turn(now, backlog)
        self._accounts = accounts

    def _run_cycle(self, keys: list[int]) -> None:
        """One cycle: it is over when every step of it has ended or is late."""
        self._cycle += 1
        pending = list(reversed(keys))
        mine: set[int] = set()
        while pending or any(k in self._running and not self._running[k].late for k in mine):
            while pending and self._free_slot():
                key = pending.pop()
                if key in self._accounts:
                    self._start(key)
                    mine.add(key)
            self._wait(self._until_late())
            if self._stopping.is_set():
                pending.clear()

    def _free_slot(self) -> bool:
        late = sum(r.late for r in self._running.values())
        settings = self._tools.settings
        return len(self._running) - min(late, settings.late_slots) < settings.slots

    def _start(self, key: int) -> None:
        account = self._accounts[key]
        self._running[key] = _Running(account, self._cycle, time.monotonic())
        line = self._lines.setdefault(key, _Line(account))
        threading.Thread(target=self._step, args=(account, line), name=f"step {account.label}", daemon=True).start()

    def _step(self, account: FetchAccount, line: _Line) -> None:
        """In the step's own thread: everything that can block on this account's server."""
        report = self._worked(account, line)
        if report.connection_lost or (line.session is not None and not line.session.usable):
            _close(line)
        if line.session is None and (rest := line.next_login - time.monotonic()) > 0:
            report = replace(report, wait=max(report.wait or 0.0, rest))
        self._reports.put(report)

    def _worked(self, account: FetchAccount, line: _Line) -> StepReport:
        try:
            session = self._session(account, line)
            return answered_by_waiting(
                Step(line.account, line.cursor, self._tools).run(), session, self._tools.store, self._tools.writer
            )
        except Exception as error:
            return failed(account.key, error)

    def _session(self, account: FetchAccount, line: _Line) -> Session:
        if line.session is not None and line.session.usable and line.connection == account.connection:
            return line.session
        self._end_line(line)
        line.account = account
        if (rest := line.next_login - time.monotonic()) > 0:
            reason = f"{account.label}: its server wants a pause between logins; the next is in {rest:.0f} s"
            raise Trouble(Condition.THROTTLED, reason, retry_after=rest)
        line.session = open_session(self._tools, account)
        line.connection = account.connection
        line.next_login = time.monotonic() + line.session.login_delay
        return line.session

    def _end_line(self, line: _Line) -> None:
        """Close a session on purpose: what it was told is made certain. A failure only means that it is told again."""
        if line.session is not None:
            with contextlib.suppress(Exception):
                answered_by_waiting(
                    Step(line.account, line.cursor, self._tools).finish(),
                    line.session,
                    self._tools.store,
                    self._tools.writer,
                )
        _close(line)

    def _wait(self, seconds: float | None) -> None:
        """Take the reports that are there, waiting at most so long for the first; then see who is late."""
        self._observer.beat(Loop.FETCH)
        try:
            report = self._reports.get(timeout=seconds)
            while True:
                if report is not None:
                    self._end(report)
                report = self._reports.get_nowait()
        except queue.Empty:
            pass
        self._see_who_is_late()

    def _until_late(self) -> float:
        settings, now = self._tools.settings, time.monotonic()
        ends = [
            r.started + (settings.step_seconds if r.late else settings.late_seconds) for r in self._running.values()
        ]
        return max(0.0, min(ends, default=now) - now) + 0.001

    def _until_next(self) -> float:
        opening = next_opening(self._turns, self._running)
        wait = (opening - steady_now()).total_seconds() if opening else 1.0
        return max(0.001, min(wait, 1.0, self._until_late() if self._running else 1.0))

    def _see_who_is_late(self) -> None:
        settings, now = self._tools.settings, time.monotonic()
        for key, running in self._running.items():
            age = now - running.started
            if not running.late and age >= settings.late_seconds:
                running.late = True
                self._write_health(key, Condition.LATE, f"a step takes longer than {settings.late_seconds:g} s", None)
            line = self._lines.get(key)
            if age >= settings.step_seconds and not running.aborted and line is not None and line.session is not None:
                running.aborted = True
                line.session.abort()

    def _end(self, report: StepReport) -> None:
        running = self._running.pop(report.account_key, None)
        if running is None:
            # Given up before its thread came back.
            return
        account = running.account
        seconds = time.monotonic() - running.started
        bad = report.connection_lost
        if account.key in self._accounts:
            end = StepEnd(bad, report.permanent, report.backlog, report.wait)
            turn = self._turns.get(account.key, Turn(steady_now()))
            poll = self._accounts[account.key].account.poll
            turn = after_step(turn, end, poll, steady_now(), random.random())
            if self._accounts[account.key] != account:
                turn = Turn(steady_now(), turn.backlog)
            self._turns[account.key] = turn
        else:
            self._drop_line(account.key)
        self._write_health(account.key, report.condition, report.reason, report.backlog)
        self._on_step(
            StepLine(
                cycle=running.cycle,
                tenant=account.tenant,
                account=account.account.id,
                protocol=account.account.protocol,
                taken=report.taken,
                backlog=report.backlog,
                seconds=round(seconds, 3),
                error=f"{report.condition.value}: {report.reason}" if report.condition is not Condition.OK else None,
            )
        )

    def _write_health(self, key: int, condition: Condition, reason: str, backlog: int | None) -> None:
        known = self._written.get(key)
        now = time.monotonic()
        if (
            known is not None
            and known[:3] == (condition, reason, backlog)
            and now - known[3] < HEALTH_EVERY.total_seconds()
        ):
            return
        self._written[key] = (condition, reason, backlog, now)
        at = self._tools.clock()
        self._tools.writer.submit(lambda c: write_health(c, key, condition, reason, backlog, at))

    def _finish(self) -> None:
        """Let steps end that are not late, cut the others, and close every connection."""
        while any(not r.late for r in self._running.values()):
            self._wait(self._until_late())
        for key, running in list(self._running.items()):
            self._report_unfinished(key, running)
        for key in list(self._lines):
            self._drop_line(key)
        patience = time.monotonic() + self._tools.settings.command_seconds
        for thread in self._ending:
            thread.join(max(0.0, patience - time.monotonic()))
        self._ending.clear()

    def _report_unfinished(self, key: int, running: _Running) -> None:
        line = self._lines.get(key)
        if line is not None and line.session is not None:
            line.session.abort()
        reason = f"no answer for {time.monotonic() - running.started:.1f} s; given up"
        self._end(StepReport(key, 0, None, Condition.LATE, reason, connection_lost=True))

    def _drop_line(self, key: int) -> None:
        """Close the account's session, in a thread of its own, for its server may take long to answer."""
        line = self._lines.pop(key, None)
        if line is None or line.session is None:
            return
        thread = threading.Thread(target=self._end_line, args=(line,), name=f"close {key}", daemon=True)
        self._ending = [one for one in self._ending if one.is_alive()]
        self._ending.append(thread)
        thread.start()


def open_session(tools: Tools, account: FetchAccount) -> Session:
    """Have the secret or token at the moment of use and open the door. Raises Trouble or Refused."""
    block = account.account.block
    plugin = tools.plugins[account.account.protocol]
    limits = Limits(connect=tools.settings.connect_seconds, command=tools.settings.command_seconds)
    return tools.access.log_in(account.unit, block, limits, lambda secret: plugin.load()(block, secret, limits))


def _close(line: _Line) -> None:
    if line.session is not None:
        line.session.close()
    line.session = None
    line.cursor = Cursor(turn=line.cursor.turn)
