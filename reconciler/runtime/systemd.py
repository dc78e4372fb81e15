"""Tells the service manager how the program is (sd_notify(3)): ready, alive, stopping; without one it tells nobody."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping


class Notifier:
    """Sends to the socket that NOTIFY_SOCKET names; `alive` at half of the interval that WATCHDOG_USEC asks for."""

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL byte of Linux's abstract socket names.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        meant_for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environ.get("WATCHDOG_USEC", "")
        self._interval = int(micros) / 2e6 if meant_for_us and micros.isdecimal() else None
        self._clock, self._last = clock, -1e9

    def ready(self) -> None:
        """The loops run."""
        self._send("READY=1")

    def alive(self) -> None:
        """Nothing is stuck; to be called often, it sends no oftener than is wanted."""
        if self._interval is None or self._clock() - self._last < self._interval:
            return
        self._last = self._clock()
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The program ends after what is in hand."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A manager that does not listen is no reason to stop: it will find out by itself.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(1.0)
            out.sendto(message.encode(), self._address)
