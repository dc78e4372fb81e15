"""The door that never waits: one thread drives the steps of all accounts whose protocol has a flow."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Trouble
from reconciler.protocol.base import FlowSession
from reconciler.protocol.connection import Opening
from reconciler.runtime.asking import (
    Acknowledge,
    Ask,
    Asking,
    CameSince,
    Copy,
    Fetch,
    Heads,
    ListFolder,
    MarkFolder,
    Note,
    Read,
    Settle,
    Write,
)
from reconciler.runtime.channel import Channel
from reconciler.runtime.connections import Connections, Host, host_in, host_of
from reconciler.runtime.cursor import Cursor
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.hub import Hub
from reconciler.runtime.step import Step, StepReport, Tools, failed
from reconciler.runtime.thread_door import limits_of, login_pause, too_long


@dataclass(slots=True)
class _Line:
    """An account's connection and what is remembered with it.

    `next_login`: the instant (monotonic seconds) before which the server wants no further login. `is_opening`: a login
    is in hand, and may be still after its step was given up; `opening` is what is cut then.
    """

    channel: Channel | None = None
    connection: tuple[object, ...] = ()
    cursor: Cursor = field(default_factory=Cursor)
    next_login: float = 0.0
    is_opening: bool = False
    is_counted: bool = False
    opening: Opening = field(default_factory=Opening)
    watches: bool = False


@dataclass(slots=True, eq=False)
class _Run:
    """A step in hand. `held`: bytes that were asked for and are not durable yet."""

    account: FetchAccount
    line: _Line
    asking: Asking[StepReport]
    held: int = 0
    is_over: bool = False


class FastDoor:
    """Implements `doors.Door` for protocols with a flow. `report` is called in the loop's thread.

    `wake` is told of accounts whose server has news for them, or has ended the connection; `unwatched` of those whose
    connection has made room for another's.
    """

    def __init__(
        self,
        tools: Tools,
        hub: Hub,
        report: Callable[[StepReport], None],
        wake: Callable[[int], None],
        unwatched: Callable[[int], None],
    ) -> None:
        self._tools, self._hub, self._report, self._wake, self._unwatched = tools, hub, report, wake, unwatched
        self._openers = {name: p.load_flow() for name, p in tools.plugins.items() if p.load_flow is not None}
        self._lines: OrderedDict[int, _Line] = OrderedDict()
        self._runs: dict[int, _Run] = {}
        self._connections = Connections(tools.settings)
        self._in_flight = 0
        self._queued: deque[tuple[_Run, Fetch]] = deque()
        self._readers: ThreadPoolExecutor | None = None
        self._checked_at = 0.0

    def serves(self, protocol: str) -> bool:
        """Whether this protocol has a flow."""
        return protocol in self._openers

    def is_open(self, key: int) -> bool:
        """See Door."""
        line = self._lines.get(key)
        return line is not None and line.channel is not None

    def watches(self, key: int) -> bool:
        """See Door."""
        line = self._lines.get(key)
        return line is not None and line.watches

    def can_start(self, account: FetchAccount) -> bool:
        """See Door: few logins at a time at a host that has let nobody in yet, and only so many connections."""
        line = self._lines.get(account.key)
        if line is not None and (line.channel is not None or line.is_opening):
            return not line.is_opening
        host = host_of(account)
        return self._connections.may_log_in(host) and self._connections.has_room(host, self._evict, time.monotonic())

    def start(self, account: FetchAccount) -> None:
        """See Door."""
        line = self._lines.setdefault(account.key, _Line())
        self._lines.move_to_end(account.key)
        if line.channel is not None and line.connection != account.connection:
            self.drop(account.key)
            line = self._lines[account.key] = _Line(next_login=line.next_login)
        line.watches = False
        run = _Run(account, line, Step(account, line.cursor, self._tools).run())
        self._runs[account.key] = run
        if line.channel is not None:
            self._advance(run, None, None)
        elif (rest := line.next_login - time.monotonic()) > 0:
            self._over(run, failed(account.key, login_pause(account, rest)))
        else:
            self._log_in(run)

    def late(self, key: int) -> None:
        """See Door: a login that is late stands in nobody's way."""
        run = self._runs.get(key)
        if run is not None:
            self._uncount(run)

    def abort(self, key: int) -> None:
        """See Door."""
        run = self._runs.get(key)
        if run is not None:
            self._stop(run, Trouble(Condition.TIMED_OUT, too_long(run.account, self._tools)))
            run.line.opening.cut()

    def drop(self, key: int) -> None:
        """See Door."""
        line = self._lines.pop(key, None)
        if line is not None:
            self._close(line)

    def _close(self, line: _Line) -> None:
        if line.channel is None:
            return
        channel, line.channel = line.channel, None
        self._connections.closed(_host_of(line), time.monotonic())
        if not channel.is_busy:
            channel.session.goodbye()
            channel.flush()
        channel.close()

    def check(self, now: float) -> None:
        """See Door: no answer for as long as a command may take ends a connection."""
        if now < self._checked_at + 0.2:
            return
        self._checked_at = now
        seconds = self._tools.settings.command_seconds
        for run in list(self._runs.values()):
            channel = run.line.channel
            if channel is not None and channel.is_busy and now - channel.moved_at >= seconds:
                where = f"{run.account.label}: its server"
                channel.fail(Trouble(Condition.TIMED_OUT, f"{where} did not answer within {seconds:g} s"))

    def finish(self) -> None:
        """See Door."""
        for key in list(self._lines):
            self.drop(key)
        if self._readers is not None:
            self._readers.shutdown(wait=False, cancel_futures=True)
            self._readers = None

    def _evict(self, host: Host | None) -> bool:
        for key, line in self._lines.items():
            if line.channel is not None and key not in self._runs and host in (None, _host_of(line)):
                # It rests, so nothing is left to tell its server.
                self._close(line)
                line.cursor, line.watches = line.cursor.renewed(), False
                self._unwatched(key)
                return True
        return False

    def _log_in(self, run: _Run) -> None:
        run.line.is_opening = run.line.is_counted = True
        run.line.opening = Opening()
        self._connections.login_began(host_of(run.account))
        name = f"log in {run.account.label}"
        threading.Thread(target=self._logging_in, args=(run,), name=name, daemon=True).start()

    def _logging_in(self, run: _Run) -> None:
        """In a thread of its own: what blocks until the server has let the account in, or not."""
        opening = run.line.opening
        block, limits = run.account.account.block, limits_of(self._tools, opening)
        opener = self._openers[run.account.account.protocol]
        began = time.monotonic()
        try:
            access = self._tools.access
            opened = access.log_in(run.account.unit, block, limits, lambda secret: opener(block, secret, limits))
        except Exception as error:
            self._hub.post(partial(self._not_opened, run, error))
        else:
            connection, session = opened
            if not self._hub.post(partial(self._opened, run, connection, session, began)):
                connection.close()
        finally:
            opening.close()

    def _login_ended(self, run: _Run) -> None:
        run.line.is_opening = False
        self._uncount(run)

    def _uncount(self, run: _Run) -> None:
        if run.line.is_counted:
            run.line.is_counted = False
            self._connections.login_ended(host_of(run.account))

    def _not_opened(self, run: _Run, error: Exception) -> None:
        self._login_ended(run)
        self._connections.refused(host_of(run.account), run.account.key, error, time.monotonic())
        self._over(run, failed(run.account.key, error))

    def _opened(self, run: _Run, connection: socket.socket, session: FlowSession, began: float) -> None:
        self._login_ended(run)
        self._connections.let_in(host_of(run.account))
        run.line.next_login = began + session.login_delay
        if run.is_over or self._lines.get(run.account.key) is not run.line:
            connection.close()
            return
        key, where = run.account.key, f"{run.account.label}: its server"
        run.line.channel = Channel(self._hub, connection, session, where, partial(self._heard, key, run.line))
        run.line.connection = run.account.connection
        self._connections.opened(host_of(run.account), time.monotonic())
        self._advance(run, None, None)

    def _advance(self, run: _Run, answer: Any, error: Exception | None) -> None:
        """Give the step the answer it waits for, and have done what it asks for next."""
        if run.is_over:
            return
        try:
            ask = run.asking.send(answer) if error is None else run.asking.throw(error)
        except StopIteration as end:
            self._over(run, end.value)
        except Exception as raised:
            self._over(run, failed(run.account.key, raised))
        else:
            self._do(run, ask)

    def _do(self, run: _Run, ask: Ask) -> None:
        then, channel = partial(self._advance, run), run.line.channel
        match ask:
            case Read(query):
                if self._readers is None:
                    self._readers = ThreadPoolExecutor(2, "reader")
                self._later(run, self._readers.submit(self._read, query))
            case Write(work):
                self._later(run, self._tools.writer.submit(work))
            case Note(work):
                then(self._tools.writer.submit(work), None)
            case _ if channel is None or not channel.is_open:
                then(None, Trouble(Condition.UNREACHABLE, f"{run.account.label}: the connection was closed"))
            case ListFolder(folder, known, since):
                channel.run(channel.session.list(folder, known, since), then)
            case Fetch():
                self._queued.append((run, ask))
                self._fetch_queued()
            case Heads(listing, uids):
                channel.run(channel.session.heads(listing, uids), then)
            case Acknowledge(listing, uids, how, move_to):
                channel.run(channel.session.acknowledge(listing, uids, how, move_to), then)
            case MarkFolder() | CameSince() | Copy():
                self._copy(channel, ask, then)
            case Settle(wait):
                channel.run(channel.session.settle(wait=wait), then)

    def _copy(
        self, channel: Channel, ask: MarkFolder | CameSince | Copy, then: Callable[[Any, Exception | None], None]
    ) -> None:
        copier = channel.session.copier
        if copier is None:
            then(None, None)
            return
        match ask:
            case MarkFolder(folder):
                channel.run(copier.mark(folder), then)
            case CameSince(mark):
                channel.run(copier.came_since(mark), then)
            case Copy(listing, uids, to):
                channel.run(copier.copy(listing, uids, to), then)

    def _fetch_queued(self) -> None:
        """Ask for mails as long as what was asked for and is not durable yet fits into memory; one always may."""
        while self._queued:
            run, ask = self._queued[0]
            if run.is_over:
                self._queued.popleft()
                continue
            if self._in_flight and self._in_flight + ask.size > self._tools.settings.flight_bytes:
                return
            self._queued.popleft()
            run.held += ask.size
            self._in_flight += ask.size
            channel = run.line.channel
            if channel is None or not channel.is_open:
                error = Trouble(Condition.UNREACHABLE, f"{run.account.label}: the connection was closed")
                self._advance(run, None, error)
            else:
                channel.run(channel.session.fetch(ask.listing, ask.uids), partial(self._advance, run))

    def _release(self, run: _Run) -> None:
        if run.held:
            self._in_flight -= run.held
            run.held = 0
            self._fetch_queued()

    def _read(self, query: Callable[[Any], Any]) -> Any:
        with self._tools.store.read() as connection:
            return query(connection)

    def _later(self, run: _Run, future: Future[Any]) -> None:
        future.add_done_callback(lambda done: self._hub.post(partial(self._came, run, done)))

    def _came(self, run: _Run, future: Future[Any]) -> None:
        self._release(run)
        error = future.exception()
        if error is not None:
            self._advance(run, None, error if isinstance(error, Exception) else RuntimeError(str(error)))
        else:
            self._advance(run, future.result(), None)

    def _stop(self, run: _Run, error: ReconcilerError) -> None:
        self._over(run, failed(run.account.key, error))

    def _over(self, run: _Run, report: StepReport) -> None:
        """The step has ended: keep the connection and have it watched, or close it."""
        if run.is_over:
            return
        run.is_over = True
        run.asking.close()
        key, line = run.account.key, run.line
        self._runs.pop(key, None)
        channel = line.channel
        if channel is not None and (report.connection_lost or not channel.is_open or not channel.session.usable):
            line.channel = None
            self._connections.closed(_host_of(line), time.monotonic())
            channel.close()
        if line.channel is None:
            line.cursor = line.cursor.renewed()
            if (rest := line.next_login - time.monotonic()) > 0:
                report = replace(report, wait=max(report.wait or 0.0, rest))
        elif not report.backlog and len(getattr(run.account.account.block, "folders", ("",))) == 1:
            line.watches = line.channel.session.watch()
            line.channel.flush()
        self._release(run)
        self._report(report)
        if line.watches and line.channel is not None:
            self._heard_at_once(key, line)

    def _heard_at_once(self, key: int, line: _Line) -> None:
        """News that came while the step was ending must not wait for the next ones."""
        channel = line.channel
        try:
            if channel is not None and channel.is_open and channel.session.news():
                self._heard(key, line)
        except ReconcilerError as error:
            if channel is not None:
                channel.fail(error)

    def _heard(self, key: int, line: _Line) -> None:
        """The server has something for an account that has no step in hand: news, or the connection's end."""
        if key in self._runs or self._lines.get(key) is not line:
            return
        line.watches = False
        if line.channel is not None and not line.channel.is_open:
            line.channel = None
            self._connections.closed(_host_of(line), time.monotonic())
            line.cursor = line.cursor.renewed()
        self._wake(key)


def _host_of(line: _Line) -> Host:
    return host_in(line.connection[1] if len(line.connection) > 1 else None)
