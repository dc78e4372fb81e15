"""A small TCP server in a thread that says what its script says: for servers that misbehave."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

CLOSE = b"\0close"
NOTHING = b""


@dataclass(frozen=True, slots=True)
class Script:
    """What a server says. `greeting` is sent at once (None: silence); then each line is answered by `answers`.

    An answer is a pair of the line's beginning (any case; for `tagged` protocols after the tag) and the reply, in
    which `{tag}` stands for the tag. Of answers with the same beginning each is used once, the last for ever. A line
    without an answer gets none. The reply CLOSE ends the connection, NOTHING keeps silent. Once `DATA` is answered,
    lines are skipped up to the dot, which is looked up as `.`.
    """

    greeting: bytes | None = None
    answers: Sequence[tuple[str, bytes]] = ()
    tagged: bool = True


SILENT = Script()
CLOSES_AT_ONCE = Script(greeting=CLOSE)
GARBAGE = Script(greeting=b"\x00\xff\xfe%%% \x80 this is no mail server\r\n\r\n\x15\x03\x01\r\n")


def greets(line: str) -> Script:
    """A server that greets and then says nothing more."""
    return Script(greeting=line.encode() + b"\r\n")


@dataclass
class _Conversation:
    script: Script
    used: set[int] = field(default_factory=set)

    def reply(self, line: str) -> bytes | None:
        tag, _, command = line.partition(" ") if self.script.tagged else ("", "", line)
        fitting = [n for n, (start, _) in enumerate(self.script.answers) if command.upper().startswith(start.upper())]
        if not fitting:
            return None
        chosen = next((n for n in fitting if n not in self.used), fitting[-1])
        self.used.add(chosen)
        return self.script.answers[chosen][1].replace(b"{tag}", tag.encode())


class ScriptedServer:
    """Serves one script to every connection; use as a context manager. With None it refuses connections."""

    def __init__(self, script: Script | None) -> None:
        self.script = script
        self.received: list[str] = []
        self._news = threading.Condition()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.host, self.port = "127.0.0.1", int(self._listener.getsockname()[1])
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        if self.script is not None:
            self._listener.listen(50)
            threading.Thread(target=self._accept, args=(self.script,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return len(self._connections)

    def wait_for(self, word: str, seconds: float = 10.0) -> None:
        """Return once a line with this word was received; raises AssertionError if none comes."""
        with self._news:
            assert self._news.wait_for(lambda: any(word in line for line in self.received), seconds), f"no {word} came"

    def _accept(self, script: Script) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._converse, args=(connection, script), daemon=True).start()

    def _converse(self, connection: socket.socket, script: Script) -> None:
        with contextlib.suppress(OSError, ValueError):
            if script.greeting is not None and not self._say(connection, script.greeting):
                return
            conversation = _Conversation(script)
            in_data = False
            for raw in connection.makefile("rb"):
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                with self._news:
                    self.received.append(line)
                    self._news.notify_all()
                if in_data and line != ".":
                    continue
                answer = conversation.reply(line)
                in_data = line.upper() == "DATA" and answer is not None and not script.tagged
                if answer is not None and not self._say(connection, answer):
                    return

    def _say(self, connection: socket.socket, what: bytes) -> bool:
        if what == CLOSE:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            return False
        connection.sendall(what)
        return True
