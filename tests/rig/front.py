"""A port in front of a mail server that misbehaves until it is mended; of IMAP and POP3 it knows where answers end."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.rig.scripted import CLOSE, Script

_READ = 64 * 1024
_LISTS = ("CAPA", "UIDL", "LIST", "RETR", "TOP")


class Act(Enum):
    """What is done in between or in place of bytes."""

    CLOSE = auto()
    RESET = auto()
    HANG = auto()
    SLOWLY = auto()
    """From here on a byte a second."""


Said = Sequence["bytes | Act"]
Spoil = Callable[[bytes, bytes], Said]
"""What is said in place of an answer, from the command's tag (POP3: nothing) and the answer."""


@dataclass(frozen=True, slots=True)
class Refuses:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Does:
    """Every connection is met with this, whatever is said."""

    what: Said


@dataclass(frozen=True, slots=True)
class Says:
    """Somebody else answers, by a script."""

    script: Script


@dataclass(frozen=True, slots=True)
class Spoils:
    """The server is asked, but the answers to commands with this word in them are spoilt: all, or the first `times`."""

    word: str
    how: Spoil
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Leads:
    """The way leads to another port."""

    port: int


Fault = Refuses | Does | Says | Spoils | Leads


@dataclass(eq=False)
class Front:
    """One port. `connections` counts those that were taken, `spoilt` the answers that were."""

    port: int
    target: int
    fault: Fault | None
    is_pop3: bool
    connections: int = 0
    spoilt: int = 0
    listener: socket.socket | None = None


@dataclass
class Fronts:
    """All fronts of a test, in a thread of their own; a context manager."""

    _fronts: list[Front] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __enter__(self) -> Fronts:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fronts", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def open(self, target: int, fault: Fault | None, *, is_pop3: bool = False) -> Front:
        """A new port for the server on `target`."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        front = Front(listener.getsockname()[1], target, fault, is_pop3, listener=listener)
        self._fronts.append(front)
        if not isinstance(fault, Refuses):
            self._listen(front)
        return front

    def mend(self, front: Front) -> None:
        """From now on new connections are the server's; those there are stay as they are."""
        refused, front.fault = isinstance(front.fault, Refuses), None
        if refused:
            self._listen(front)

    def _listen(self, front: Front) -> None:
        assert front.listener is not None
        listener = front.listener
        listener.listen(100)

        async def begin() -> None:
            await asyncio.start_server(lambda r, w: self._take(front, r, w), sock=listener)

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result(10)

    async def _take(self, front: Front, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        front.connections += 1
        try:
            await _serve(front, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


async def _serve(front: Front, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match front.fault:
        case Does(what):
            if await _say(writer, what):
                await _drop(reader)
        case Says(script):
            await _converse(script, reader, writer)
        case Spoils():
            await _spoil(front, front.fault, reader, writer)
        case Leads(port):
            await _carry(port, reader, writer)
        case _:
            await _carry(front.target, reader, writer)


async def _carry(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answers, server = await asyncio.open_connection("127.0.0.1", port)
    await _first(_copy(reader, server), _copy(answers, writer))
    server.close()


async def _first(*ways: object) -> None:
    """Go all these ways until one ends."""
    going = [asyncio.ensure_future(way) for way in ways]  # type: ignore[arg-type]
    try:
        await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in going:
            one.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_READ):
        writer.write(data)
        await writer.drain()


async def _drop(reader: asyncio.StreamReader) -> None:
    while await reader.read(_READ):
        pass


async def _say(writer: asyncio.StreamWriter, what: Said) -> bool:
    """Say and do it; False if the connection is over."""
    is_slow = False
    for one in what:
        match one:
            case Act.CLOSE:
                return False
            case Act.RESET:
                _reset(writer)
                return False
            case Act.HANG:
                await asyncio.get_running_loop().create_future()
            case Act.SLOWLY:
                is_slow = True
            case bytes() if is_slow:
                for number in range(len(one)):
                    writer.write(one[number : number + 1])
                    await writer.drain()
                    await asyncio.sleep(1)
            case bytes():
                writer.write(one)
                await writer.drain()
    return True


async def _converse(script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if script.greeting is not None:
        writer.write(script.greeting)
    while line := (await reader.readline()).decode("utf-8", "replace").rstrip("\r\n"):
        tag, _, command = line.partition(" ") if script.tagged else ("", "", line)
        said = (reply for start, reply in script.answers if command.upper().startswith(start.upper()))
        reply = next(said, b"")
        if reply == CLOSE:
            return
        writer.write(reply.replace(b"{tag}", tag.encode()))
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a goodbye: the other end sees ECONNRESET."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _spoil(front: Front, fault: Spoils, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answers, server = await asyncio.open_connection("127.0.0.1", front.target)
    asked: deque[tuple[bytes, str]] = deque()
    await _first(_commands(front, reader, server, asked), _answers(front, fault, answers, writer, asked))
    server.close()


async def _commands(
    front: Front, reader: asyncio.StreamReader, server: asyncio.StreamWriter, asked: deque[tuple[bytes, str]]
) -> None:
    while line := await reader.readline():
        tag, _, command = line.strip().partition(b" ") if not front.is_pop3 else (b"", b"", line.strip())
        if front.is_pop3 or command:
            asked.append((tag, command.decode("ascii", "replace").upper()))
        server.write(line)
        await server.drain()


async def _answers(
    front: Front,
    fault: Spoils,
    answers: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    asked: deque[tuple[bytes, str]],
) -> None:
    held = b""
    while data := await answers.read(_READ):
        held += data
        while asked:
            (tag, command), is_left = asked[0], fault.times is None or front.spoilt < fault.times
            is_spoilt = is_left and any(f"{before}{fault.word}" in f" {command}" for before in " (")
            end = _end_pop3(command, held) if front.is_pop3 else _end_imap(tag, held)
            if end is None:
                if is_spoilt:
                    break
                end = held.rfind(b"\n") + 1
                writer.write(held[:end])
                held = held[end:]
                break
            answer, held = held[:end], held[end:]
            asked.popleft()
            front.spoilt += is_spoilt
            if not await _say(writer, fault.how(tag, answer) if is_spoilt else [answer]):
                return
        if not asked:
            writer.write(held)
            held = b""
        await writer.drain()


def _end_imap(tag: bytes, answer: bytes) -> int | None:
    found = re.search(rb"(?:^|\n)" + re.escape(tag) + rb" (?:OK|NO|BAD)[^\n]*\n", answer)
    return found.end() if found is not None else None


def _end_pop3(command: str, answer: bytes) -> int | None:
    first = answer.find(b"\n") + 1
    if not first:
        return None
    word, _, argument = command.partition(" ")
    is_list = word in _LISTS and not (argument and word in ("UIDL", "LIST")) and answer.startswith(b"+OK")
    if not is_list:
        return first
    end = answer.find(b"\r\n.\r\n", first - 2)
    return end + 5 if end >= 0 else None
