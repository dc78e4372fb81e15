"""The loop's one place to wait: sockets, and calls that other threads hand over; knows no account and no protocol."""

from __future__ import annotations

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Hub:
    """Waits for everything at once. All methods but `post` belong to the thread that calls `turn`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._calls: deque[Callable[[], None]] = deque()
        self._woken, self._closed, self._lock = False, False, threading.Lock()
        self._bell, self._ringer = socket.socketpair()
        for one in (self._bell, self._ringer):
            one.setblocking(False)
        self._selector.register(self._bell, READ, None)

    def post(self, call: Callable[[], None]) -> bool:
        """Have this called in the loop's thread; whether it will be. Callable from any thread, after `close` too."""
        with self._lock:
            if self._closed:
                return False
            self._calls.append(call)
            if not self._woken:
                self._woken = True
                self._ringer.send(b"!")
        return True

    def watch(self, connection: socket.socket, events: int, ready: Callable[[int], None]) -> None:
        """Call `ready` with READ, WRITE or both whenever the socket is."""
        self._selector.register(connection, events, ready)

    def change(self, connection: socket.socket, events: int, ready: Callable[[int], None]) -> None:
        """Wait for other events of a socket that is watched."""
        self._selector.modify(connection, events, ready)

    def forget(self, connection: socket.socket) -> None:
        """Watch this socket no longer; to be called before it is closed."""
        self._selector.unregister(connection)

    def turn(self, seconds: float) -> None:
        """Wait at most so long for the first thing, and do all that is ready."""
        for key, events in self._selector.select(0 if self._calls else max(0.0, seconds)):
            if key.data is not None:
                key.data(events)
            else:
                self._silence()
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def close(self) -> None:
        """Do what was handed over before, take nothing more, and give back what the hub itself holds; never waits."""
        with self._lock:
            self._closed = True
        while self._calls:
            self._calls.popleft()()
        self._selector.close()
        self._bell.close()
        self._ringer.close()

    def _silence(self) -> None:
        with self._lock:
            self._woken = False
        self._bell.recv(16)
