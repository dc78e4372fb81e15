"""A TCP proxy that does what networks and servers do on bad days; knows no more of IMAP and POP3 than where it hurts.

Faults are armed while connections run. Each waits for so many pieces of conversation, then befalls whatever connection
has the next piece that fits it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

FAULTS = {
    "refused": "a connection is reset before the greeting",
    "reset": "an answer is lost, the connection is reset",
    "lost": "half a command arrives, the connection is reset",
    "silence": "no answer comes any more, the connection stays open",
    "literal": "the connection is closed in the middle of a mail",
    "slow": "an answer begins with one byte a second",
    "garbage": "nonsense in place of an answer",
    "bye": "the server says that it ends the session",
    "delay": "an answer comes late",
}

_GARBAGE = b"\x00\xff* ~ {12\r\n)(\r\n"
_BYE = {"imap": b"* BYE Server shutting down.\r\n", "pop3": b"-ERR [SYS/TEMP] Server shutting down.\r\n"}
_MAIL = re.compile(rb"\{[0-9]+\}\r\n|\r\nMessage-ID:", re.IGNORECASE)
_SLOW_BYTES = 3
_LATE_SECONDS = 0.7
_READ = 64 * 1024


@dataclass(eq=False)
class _Link:
    """A connection of a client, and the one that was made for it."""

    speaks: str
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_silent: bool = False

    def reset(self) -> None:
        """End both at once."""
        for end in (self.client, self.server):
            _reset(end)


@dataclass
class _Armed:
    kind: str
    pieces: int


@dataclass
class FaultyProxy:
    """Carries between clients and servers on this machine, in a thread of its own.

    `befallen` counts the faults that took place, by kind.
    """

    befallen: Counter[str] = field(default_factory=Counter)
    _armed: list[_Armed] = field(default_factory=list)
    _links: set[_Link] = field(default_factory=set)
    _is_down: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty proxy", daemon=True)
        self._thread.start()

    def listen(self, target: Callable[[], int], speaks: str) -> int:
        """Take connections for the server whose port `target` tells at each of them; the port to connect to."""

        async def begin() -> int:
            serve = asyncio.start_server(lambda r, w: self._serve(r, w, target, speaks), "127.0.0.1", 0, backlog=256)
            port: int = (await serve).sockets[0].getsockname()[1]
            return port

        return asyncio.run_coroutine_threadsafe(begin(), self._loop).result(10)

    def arm(self, kind: str, pieces: int = 0) -> None:
        """Have one fault take place after so many pieces of conversation."""
        with self._lock:
            self._armed.append(_Armed(kind, pieces))

    @property
    def armed(self) -> int:
        """Faults that have not taken place yet."""
        return len(self._armed)

    def down(self) -> None:
        """Reset every connection, and take none until `up`."""
        self._is_down = True

        async def cut() -> None:
            for link in list(self._links):
                link.reset()

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result(10)

    def up(self) -> None:
        """Take connections again."""
        self._is_down = False

    def close(self) -> None:
        """Reset every connection and end."""
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _befalls(self, fits: Callable[[str], bool], *, counts: bool = True) -> str | None:
        """The fault that takes place now, if one does. `counts`: this is a piece of conversation."""
        with self._lock:
            for one in self._armed:
                one.pieces -= counts
            for one in self._armed:
                if (one.pieces < 0 or not counts) and fits(one.kind):
                    self._armed.remove(one)
                    self.befallen[one.kind] += 1
                    return one.kind
        return None

    async def _serve(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, target: Callable[[], int], speaks: str
    ) -> None:
        if self._is_down or self._befalls(lambda kind: kind == "refused", counts=False):
            _reset(client)
            return
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", target())
        except OSError:
            _reset(client)
            return
        link = _Link(speaks, client, server)
        self._links.add(link)
        ways: tuple[Coroutine[Any, Any, None], ...] = (self._commands(reader, link), self._answers(answers, link))
        going = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            for way in going:
                way.cancel()
            for end in (client, server):
                end.close()

    async def _commands(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await _read(reader):
            if link.is_silent:
                continue
            if self._befalls(lambda kind: kind == "lost", counts=False):
                link.server.write(data[: len(data) // 2])
                await _drain(link.server)
                link.reset()
                return
            link.server.write(data)
            await _drain(link.server)

    async def _answers(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await _read(reader):
            kind = None if link.is_silent else self._befalls(lambda kind, data=data: _fits(kind, data))  # type: ignore[misc]
            if kind is not None:
                data = await self._spoilt(kind, data, link)
            if not link.is_silent:
                link.client.write(data)
                await _drain(link.client)
            if kind in ("literal", "bye", "reset"):
                return
        if link.is_silent:
            # The server's end is not heard of either.
            await asyncio.get_running_loop().create_future()

    async def _spoilt(self, kind: str, data: bytes, link: _Link) -> bytes:
        """What comes in place of an answer."""
        match kind:
            case "reset":
                link.reset()
                return b""
            case "silence":
                link.is_silent = True
            case "literal":
                found = _MAIL.search(data)
                end = found.end() if found is not None else 0
                return data[: end + (len(data) - end) // 2]
            case "slow":
                for number in range(min(_SLOW_BYTES, len(data))):
                    link.client.write(data[number : number + 1])
                    await asyncio.sleep(1.0)
                return data[_SLOW_BYTES:]
            case "garbage":
                return _GARBAGE
            case "bye":
                return _BYE[link.speaks]
            case "delay":
                await asyncio.sleep(_LATE_SECONDS)
        return data


def _fits(kind: str, answer: bytes) -> bool:
    return kind not in ("refused", "lost") and (kind != "literal" or _MAIL.search(answer) is not None)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_READ)
    except OSError:
        return b""


async def _drain(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.drain()
    except OSError:
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a goodbye: the other end sees ECONNRESET."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
