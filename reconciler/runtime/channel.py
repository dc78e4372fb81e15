"""A connection of the fast door: carries bytes between a socket that does not block and the flow over it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Trouble
from reconciler.protocol.base import Flow, FlowSession
from reconciler.protocol.connection import network_failure
from reconciler.runtime.hub import READ, WRITE, Hub

Then = Callable[[Any, Exception | None], None]
_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_AT_ONCE = 1024 * 1024
"""Bytes read of one connection before the others have their turn."""
_SCRATCH = memoryview(bytearray(256 * 1024))


class Channel:
    """Runs one flow at a time. `on_idle_event` hears of news, or of the connection's end, while none is running.

    `moved_at` is when bytes last moved or a flow began (monotonic seconds).
    """

    def __init__(
        self, hub: Hub, connection: socket.socket, session: FlowSession, where: str, on_idle_event: Callable[[], None]
    ) -> None:
        self.session, self.is_open = session, True
        self.moved_at = time.monotonic()
        self._hub, self._socket, self._where, self._on_idle_event = hub, connection, where, on_idle_event
        self._flow: Flow[Any] | None = None
        self._then: Then | None = None
        self._unsent = b""
        self._events = READ
        hub.watch(connection, READ, self._ready)

    @property
    def is_busy(self) -> bool:
        """Whether a flow is running."""
        return self._flow is not None

    def run(self, flow: Flow[Any], then: Then) -> None:
        """Drive the flow; `then` gets its result, or what it raised."""
        self._flow, self._then = flow, then
        self.moved_at = time.monotonic()
        self._resume()

    def flush(self) -> None:
        """Send what the session has to say without a flow."""
        try:
            self._send()
        except OSError as error:
            self._broken(error)

    def fail(self, error: Exception) -> None:
        """End whatever runs with this error, and the connection with it."""
        self.close()
        self._end(None, error)

    def close(self) -> None:
        """Close the connection."""
        if self.is_open:
            self.is_open = False
            self._hub.forget(self._socket)
            with contextlib.suppress(OSError):
                self._socket.close()

    def _ready(self, events: int) -> None:
        if not self.is_open:
            return
        try:
            if events & WRITE:
                self._send()
            has_come, has_ended = self._receive()
        except OSError as error:
            self._broken(error)
            return
        if has_come:
            self.moved_at = time.monotonic()
            self._resume() if self._flow is not None else self._overhear()
        if has_ended and self.is_open:
            self.fail(Trouble(Condition.UNREACHABLE, f"{self._where} closed the connection"))

    def _receive(self) -> tuple[bool, bool]:
        """Take in what is there; whether something came, and whether the server has ended the connection."""
        total = 0
        while total < _AT_ONCE:
            try:
                count = self._socket.recv_into(_SCRATCH)
            except _AGAIN:
                return total > 0, False
            if not count:
                return total > 0, True
            self.session.receive(_SCRATCH[:count])
            total += count
            if count < len(_SCRATCH) and not isinstance(self._socket, ssl.SSLSocket):
                return True, False
        # TLS may hold more than the selector knows of.
        self._hub.post(lambda: self._ready(READ))
        return True, False

    def _resume(self) -> None:
        flow = self._flow
        assert flow is not None
        try:
            next(flow)
            self._send()
        except StopIteration as end:
            self.flush()
            if self.is_open:
                self._end(end.value, None)
        except OSError as error:
            self._broken(error)
        except Exception as error:
            self.fail(error)

    def _overhear(self) -> None:
        try:
            has_news = self.session.news()
        except ReconcilerError as error:
            self.fail(error)
            return
        if has_news:
            self._on_idle_event()

    def _end(self, value: Any, error: Exception | None) -> None:
        then, self._flow, self._then = self._then, None, None
        if then is not None:
            then(value, error)
        elif error is not None:
            self._on_idle_event()

    def _broken(self, error: OSError) -> None:
        self.fail(network_failure(error, self._where) or error)

    def _send(self) -> None:
        self._unsent += self.session.outgoing()
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except _AGAIN:
                break
            self._unsent = self._unsent[sent:]
            self.moved_at = time.monotonic()
        events = READ | WRITE if self._unsent else READ
        if events != self._events:
            self._events = events
            self._hub.change(self._socket, events, self._ready)
