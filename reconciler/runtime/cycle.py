"""The fetch engine: opens cycles, has their steps carried out, and lets no account wait for another's server."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Set
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from reconciler.core.fetch import StepLine
from reconciler.core.health import Condition
from reconciler.core.heartbeat import Loop
from reconciler.core.requests import Requests
from reconciler.core.schedule import (
    Pending,
    StepEnd,
    Turn,
    after_step,
    asked,
    due,
    next_opening,
    rest_of,
    unwatched,
    woken,
)
from reconciler.runtime.clock import steady_now
from reconciler.runtime.doors import Door
from reconciler.runtime.fast_door import FastDoor
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.health_rows import HealthRows
from reconciler.runtime.hub import Hub
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.step import StepReport, Tools
from reconciler.runtime.thread_door import ThreadDoor
from reconciler.store.fetch_requests import answer

_LONGEST_PAUSE = 60.0
"""Seconds; a drain waits no longer until an account may take more of its backlog."""

_LONGEST_WAIT = 0.25
"""Seconds; deadlines of commands are looked after in between."""


@dataclass(slots=True)
class _Running:
    """A step in hand."""

    account: FetchAccount
    cycle: int
    started: float
    door: Door
    late: bool = False
    aborted: bool = False


class Engine:
    """Runs cycles until it is stopped. What does not say that any thread may call it belongs to one."""

    def __init__(self, tools: Tools, on_step: Callable[[StepLine], None], observer: Observer = UNOBSERVED) -> None:
        self._tools, self._on_step, self._observer = tools, on_step, observer
        self._accounts: dict[int, FetchAccount] = {}
        self._next_accounts: Mapping[int, FetchAccount] | None = None
        self._turns: dict[int, Turn] = {}
        self._running: dict[int, _Running] = {}
        self._busy: dict[Door, int] = {}
        self._in_cycle = 0
        self._look_at = float("inf")
        self._health = HealthRows(tools)
        self._requests = Requests()
        self._cycle = 0
        self._hub = Hub()
        self._thread_door = ThreadDoor(tools, self._reported)
        self._fast_door = FastDoor(tools, self._hub, self._end, self._wake, self._unwatched)
        self._is_watching = False
        self._store_check: Future[Any] | None = None
        self._stopping = threading.Event()

    def set_accounts(self, accounts: Mapping[int, FetchAccount]) -> None:
        """Swap the accounts; running steps end with the settings they began with. Callable from any thread."""
        self._next_accounts = dict(accounts)
        self._hub.post(_nothing)

    def fetched(self) -> Set[int]:
        """The accounts that have steps now, by key. Callable from any thread."""
        return self._accounts.keys()

    def serve_now(self, opened: Mapping[int, Set[int]]) -> None:
        """These requests by account key, and no others, wait for a step that begins from now on. From any thread."""
        self._hub.post(partial(self._hurry, opened))

    def stop(self) -> None:
        """Let what is in hand end and return from the loop. Callable from any thread."""
        self._stopping.set()
        self._hub.post(_nothing)

    def run(self) -> None:
        """Open a cycle whenever an account is due, until `stop`; none while the store is unwell."""
        self._is_watching = True
        self._health.not_scheduled()
        while not self._stopping.is_set():
            self._swap_accounts()
            if self._is_store_unwell():
                self._wait(_LONGEST_WAIT)
            elif keys := due(self._turns, self._running, steady_now()):
                self._run_cycle(keys)
            else:
                self._wait(self._until_next())
        self._finish()

    def run_cycles(self, cycles: int) -> None:
        """Exactly so many cycles, each with a step for every account that has none running."""
        self._swap_accounts()
        for _ in range(cycles):
            self._run_cycle([key for key in self._accounts if key not in self._running], is_patient=True)
        self._finish()

    def drain(self) -> None:
        """Cycles over the accounts with a backlog until there is none; failed accounts are left alone.

        A late account is waited for at the end, but for less than the time its server has for an answer. One that its
        own bounds forbid to take more is waited for if that is soon.
        """
        self._swap_accounts()
        todo = set(self._accounts)
        while todo and not self._stopping.is_set():
            idle = [key for key in self._accounts if key in todo and key not in self._running]
            if ready := [key for key in idle if not self._pause_of(key)]:
                self._run_cycle(ready)
            elif idle:
                self._wait(min(self._until_late(), *map(self._pause_of, idle)))
            elif not self._a_late_one_ends():
                break
            todo = {k for k in todo if k in self._running or self._has_more(k)}
        self._finish()

    def close(self) -> None:
        """Give back what the engine itself holds; nothing can be run any more. A step that ends later is not heard."""
        self._hub.close()

    def _reported(self, report: StepReport) -> None:
        """Callable from any thread."""
        self._hub.post(partial(self._end, report))

    def _has_more(self, key: int) -> bool:
        """Whether the account has not had its step yet, or had it and something is left."""
        turn = self._turns[key]
        return turn.is_first or bool(turn.backlog and not turn.failures and self._pause_of(key) < _LONGEST_PAUSE)

    def _pause_of(self, key: int) -> float:
        """For how many seconds the account's own bounds forbid to take more."""
        until = self._turns[key].paused_until
        return max(0.0, (until - steady_now()).total_seconds()) if until is not None else 0.0

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
        gone = self._accounts.keys() - accounts.keys()
        self._health.not_scheduled(gone)
        for key in gone:
            self._turns.pop(key, None)
            if key not in self._running:
                self._drop(key)
        for key, account in accounts.items():
            if self._accounts.get(key) != account:
                backlog = self._turns[key].backlog if key in self._turns else 0
                self._turns[key] = Turn(now, backlog, is_first=True)
        self._accounts = accounts

    def _door(self, account: FetchAccount) -> Door:
        is_fast = self._tools.settings.door == "fast" and self._fast_door.serves(account.account.protocol)
        return self._fast_door if is_fast else self._thread_door

    def _drop(self, key: int) -> None:
        for door in (self._fast_door, self._thread_door):
            door.drop(key)

    def _run_cycle(self, keys: list[int], *, is_patient: bool = False) -> None:
        """One cycle: it is over when every step of it has ended or is late.

        Whoever may not connect now waits for a later cycle, unless this one is to be patient.
        """
        self._cycle += 1
        self._in_cycle = 0
        pending = Pending((key, self._group(key)) for key in keys)
        while True:
            for key in pending.startable(self._may_start):
                if key in self._accounts:
                    self._start(key)
            if not self._in_cycle and not (pending and is_patient):
                break
            self._wait(self._until_late())
            if self._stopping.is_set():
                pending.clear()
        if pending:
            self._wait(min(self._until_late(), 0.05))

    def _group(self, key: int) -> Hashable:
        account = self._accounts[key]
        block, door = account.account.block, self._door(account)
        host = (getattr(block, "host", None), getattr(block, "effective_port", None))
        return (door is self._fast_door, door.is_open(key), host)

    def _may_start(self, key: int) -> bool:
        account = self._accounts.get(key)
        if account is None:
            return True
        door, settings = self._door(account), self._tools.settings
        slots = settings.fast_slots if door is self._fast_door else settings.slots
        late = sum(r.late for r in self._running.values() if r.door is door) if self._busy.get(door, 0) >= slots else 0
        return self._busy.get(door, 0) - min(late, settings.late_slots) < slots and door.can_start(account)

    def _start(self, key: int) -> None:
        account, now = self._accounts[key], time.monotonic()
        door = self._door(account)
        self._running[key] = _Running(account, self._cycle, now, door)
        self._requests.begun(key)
        self._busy[door] = self._busy.get(door, 0) + 1
        self._in_cycle += 1
        self._look_at = min(self._look_at, now + self._tools.settings.late_seconds)
        door.start(account)

    def _wait(self, seconds: float) -> None:
        """Do what is there, waiting at most so long for the first; then see who is late."""
        self._observer.beat(Loop.FETCH)
        self._hub.turn(min(seconds, _LONGEST_WAIT) if self._running else seconds)
        now = time.monotonic()
        self._fast_door.check(now)
        if now >= self._look_at:
            self._see_who_is_late(now)

    def _until_late(self) -> float:
        return max(0.0, self._look_at - time.monotonic()) + 0.001 if self._running else 0.05

    def _until_next(self) -> float:
        opening = next_opening(self._turns, self._running)
        wait = (opening - steady_now()).total_seconds() if opening else 1.0
        return max(0.001, min(wait, 1.0, self._until_late() if self._running else 1.0))

    def _see_who_is_late(self, now: float) -> None:
        settings = self._tools.settings
        self._look_at = float("inf")
        for key, running in list(self._running.items()):
            age = now - running.started
            if not running.late and age >= settings.late_seconds:
                running.late = True
                self._in_cycle -= running.cycle == self._cycle
                running.door.late(key)
                self._health.write(key, Condition.LATE, f"a step takes longer than {settings.late_seconds:g} s", None)
            if age >= settings.step_seconds and not running.aborted:
                running.aborted = True
                running.door.abort(key)
            elif not running.aborted:
                deadline = settings.step_seconds if running.late else settings.late_seconds
                self._look_at = min(self._look_at, running.started + deadline)

    def _wake(self, key: int) -> None:
        """The account's server has news."""
        if key in self._turns:
            self._turns[key] = woken(self._turns[key], steady_now())

    def _hurry(self, opened: Mapping[int, Set[int]]) -> None:
        now = steady_now()
        for key in self._requests.said(opened) & self._turns.keys():
            self._turns[key] = asked(self._turns[key], now)

    def _answer(self, key: int, line: StepLine) -> None:
        """Tell whoever asked for this step; what cannot be told is asked for again."""
        if ids := self._requests.ended(key):
            told = self._tools.writer.submit(lambda c: answer(c, ids, line))
            told.add_done_callback(partial(self._told, ids))

    def _told(self, ids: Set[int], done: Future[None]) -> None:
        if done.exception() is not None:
            self._hub.post(partial(self._requests.not_told, ids))

    def _unwatched(self, key: int) -> None:
        """The account's connection was closed to make room, so that its server cannot tell of news."""
        if key in self._turns:
            self._turns[key] = unwatched(self._turns[key], self._accounts[key].account.poll, steady_now())

    def _end(self, report: StepReport) -> None:
        running = self._running.pop(report.account_key, None)
        if running is None:
            # Given up before it ended.
            return
        self._busy[running.door] -= 1
        self._in_cycle -= not running.late and running.cycle == self._cycle
        account = running.account
        if account.key in self._accounts:
            self._turns[account.key] = self._next_turn(account, report, running.door)
        else:
            self._drop(account.key)
        if report.condition is Condition.STORE_UNWELL and self._store_check is None:
            self._store_check = self._tools.writer.submit(_commit_nothing)
        self._health.write(account.key, report.condition, report.reason, report.backlog, self._next_at(account.key))
        line = StepLine(
            cycle=running.cycle,
            tenant=account.tenant,
            account=account.account.id,
            protocol=account.account.protocol,
            taken=report.taken,
            backlog=report.backlog,
            seconds=round(time.monotonic() - running.started, 3),
            error=f"{report.condition.value}: {report.reason}" if report.condition is not Condition.OK else None,
        )
        self._answer(account.key, line)
        self._on_step(line)

    def _next_turn(self, account: FetchAccount, report: StepReport, door: Door) -> Turn:
        end = StepEnd(report.connection_lost, report.permanent, report.backlog, report.wait, report.pause)
        turn = self._turns.get(account.key, Turn(steady_now()))
        poll = rest_of(
            self._accounts[account.key].account.poll, watched=self._is_watching and door.watches(account.key)
        )
        longest = timedelta(seconds=self._tools.settings.retry_seconds)
        turn = after_step(turn, end, poll, steady_now(), random.random(), longest)
        if self._accounts[account.key] != account:
            turn = Turn(steady_now(), turn.backlog)
        return asked(turn, steady_now()) if self._requests.waits(account.key) else turn

    def _is_store_unwell(self) -> bool:
        """Whether a write that only asks how the store is has not gone well yet since one of ours failed."""
        if self._store_check is None or not self._store_check.done():
            return self._store_check is not None
        failed = self._store_check.exception() is not None
        self._store_check = self._tools.writer.submit(_commit_nothing) if failed else None
        return failed

    def _next_at(self, key: int) -> datetime | None:
        """When the account is due by the wall clock; None if nothing goes on serving it."""
        turn = self._turns.get(key) if self._is_watching else None
        return None if turn is None else self._tools.clock() + (turn.next_at - steady_now())

    def _finish(self) -> None:
        """Let steps end that are not late, cut the others, and close every connection."""
        while any(not r.late for r in self._running.values()):
            self._wait(self._until_late())
        for key, running in list(self._running.items()):
            reason = f"no answer for {time.monotonic() - running.started:.1f} s; given up"
            self._end(StepReport(key, 0, None, Condition.LATE, reason, connection_lost=True))
            running.door.abort(key)
        for door in (self._fast_door, self._thread_door):
            door.finish()


def _nothing() -> None:
    """Only wakes the loop."""


def _commit_nothing(_connection: object) -> None:
    """A transaction without work: whether the store commits at all."""
