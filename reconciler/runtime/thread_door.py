"""The door that waits: every step in a thread of its own over a blocking session; serves every protocol."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.core.health import Condition, Trouble
from reconciler.protocol.base import Limits, Session
from reconciler.protocol.connection import Opening
from reconciler.runtime.asking import answered_by_waiting
from reconciler.runtime.cursor import Cursor
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.step import Step, StepReport, Tools, failed


@dataclass(slots=True)
class _Line:
    """An account's open session and what is remembered with it; used by one step at a time.

    `account` is the account as it was when the session was last used. `next_login`: the instant (monotonic seconds)
    before which the server wants no further login. `opening`: what is cut where there is no session yet.
    """

    account: FetchAccount
    session: Session | None = None
    connection: tuple[object, ...] = ()
    cursor: Cursor = field(default_factory=Cursor)
    next_login: float = 0.0
    aborted: bool = False
    opening: Opening = field(default_factory=Opening)


class ThreadDoor:
    """Implements `doors.Door`. `report` is called in the steps' threads."""

    def __init__(self, tools: Tools, report: Callable[[StepReport], None]) -> None:
        self._tools, self._report = tools, report
        self._lines: dict[int, _Line] = {}
        self._ending: list[threading.Thread] = []

    def is_open(self, key: int) -> bool:
        """See Door."""
        line = self._lines.get(key)
        return line is not None and line.session is not None

    def can_start(self, _account: FetchAccount) -> bool:
        """See Door: a thread can always be had."""
        return True

    def start(self, account: FetchAccount) -> None:
        """See Door."""
        line = self._lines.setdefault(account.key, _Line(account))
        line.aborted = False
        threading.Thread(target=self._step, args=(account, line), name=f"step {account.label}", daemon=True).start()

    def late(self, key: int) -> None:
        """See Door: a thread that is late stands in nobody's way."""

    def abort(self, key: int) -> None:
        """See Door."""
        line = self._lines.get(key)
        if line is None:
            return
        line.aborted = True
        line.opening.cut()
        if line.session is not None:
            line.session.abort()

    def drop(self, key: int) -> None:
        """See Door: in a thread of its own, for the server may take long to answer."""
        line = self._lines.pop(key, None)
        if line is None or line.session is None:
            return
        thread = threading.Thread(target=self._end_line, args=(line,), name=f"close {key}", daemon=True)
        self._ending = [one for one in self._ending if one.is_alive()]
        self._ending.append(thread)
        thread.start()

    def watches(self, _key: int) -> bool:
        """See Door: a session that waits would hold its thread for ever."""
        return False

    def check(self, now: float) -> None:
        """See Door: sessions keep their time themselves."""

    def finish(self) -> None:
        """See Door."""
        for key in list(self._lines):
            self.drop(key)
        patience = time.monotonic() + self._tools.settings.command_seconds
        for thread in self._ending:
            thread.join(max(0.0, patience - time.monotonic()))
        self._ending.clear()

    def _step(self, account: FetchAccount, line: _Line) -> None:
        """In the step's own thread: everything that can block on this account's server."""
        report = self._worked(account, line)
        if line.aborted and report.connection_lost:
            report = replace(report, condition=Condition.TIMED_OUT, reason=too_long(account, self._tools))
        if report.connection_lost or (line.session is not None and not line.session.usable):
            _close(line)
        if line.session is None and (rest := line.next_login - time.monotonic()) > 0:
            report = replace(report, wait=max(report.wait or 0.0, rest))
        self._report(report)

    def _worked(self, account: FetchAccount, line: _Line) -> StepReport:
        try:
            session, tools = self._session(account, line), self._tools
            return answered_by_waiting(Step(account, line.cursor, tools).run(), session, tools.store, tools.writer)
        except Exception as error:
            return failed(account.key, error)

    def _session(self, account: FetchAccount, line: _Line) -> Session:
        if line.session is not None and line.session.usable and line.connection == account.connection:
            return line.session
        self._end_line(line)
        line.account = account
        if (rest := line.next_login - time.monotonic()) > 0:
            raise login_pause(account, rest)
        line.opening = Opening()
        try:
            line.session = open_session(self._tools, account, line.opening)
        finally:
            line.opening.close()
        if line.aborted:
            # In the moment in which there was neither any more to cut.
            line.session.abort()
        line.connection = account.connection
        line.next_login = time.monotonic() + line.session.login_delay
        return line.session

    def _end_line(self, line: _Line) -> None:
        """Close a session on purpose: what it was told is made certain. A failure only means that it is told again."""
        if line.session is not None:
            with contextlib.suppress(Exception):
                finishing = Step(line.account, line.cursor, self._tools).finish()
                answered_by_waiting(finishing, line.session, self._tools.store, self._tools.writer)
        _close(line)


def too_long(account: FetchAccount, tools: Tools) -> str:
    """Why a step was cut off."""
    return f"{account.label}: the step had no end within {tools.settings.step_seconds:g} s"


def login_pause(account: FetchAccount, rest: float) -> Trouble:
    """The server wants no further login yet."""
    reason = f"{account.label}: its server wants a pause between logins; the next is in {rest:.0f} s"
    return Trouble(Condition.THROTTLED, reason, retry_after=rest)


def limits_of(tools: Tools, opening: Opening | None = None) -> Limits:
    """How long doors may wait."""
    settings = tools.settings
    return Limits(connect=settings.connect_seconds, command=settings.command_seconds, opening=opening)


def open_session(tools: Tools, account: FetchAccount, opening: Opening | None = None) -> Session:
    """Have the secret or token at the moment of use and open the door. Raises Trouble or Refused."""
    block, limits = account.account.block, limits_of(tools, opening)
    opener = tools.plugins[account.account.protocol].load()
    return tools.access.log_in(account.unit, block, limits, lambda secret: opener(block, secret, limits))


def _close(line: _Line) -> None:
    if line.session is not None:
        line.session.close()
    line.session = None
    line.cursor = line.cursor.renewed()
