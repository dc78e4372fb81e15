"""A TCP relay that can hold back what a server answers, so that a test decides how long a command is in hand."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Gate:
    """Relays 127.0.0.1:`port` to `target`; answers to a line that holds `word` stay here until `open()`.

    `word` is what the client says, in capitals. Use as a context manager.
    """

    def __init__(self, target: int, word: bytes) -> None:
        self._target, self._word = target, word
        self._opened, self._held = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Gate:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.set()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def is_holding(self) -> bool:
        """Whether a client has said the word and waits for the answer."""
        return self._held.is_set() and not self._opened.is_set()

    def open(self) -> None:
        """Let everything through from now on."""
        self._opened.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                held = threading.Event()
                threading.Thread(target=self._say, args=(client, server, held), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client, held), daemon=True).start()

    def _say(self, client: socket.socket, server: socket.socket, held: threading.Event) -> None:
        with _ends(server), contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._word in data.upper():
                    held.set()
                    self._held.set()
                server.sendall(data)

    def _answer(self, server: socket.socket, client: socket.socket, held: threading.Event) -> None:
        with _ends(client), contextlib.suppress(OSError):
            while data := server.recv(65536):
                if held.is_set():
                    self._opened.wait()
                client.sendall(data)


@contextlib.contextmanager
def _ends(other: socket.socket) -> Iterator[None]:
    """The other side hears the end of this one, also when it was broken off."""
    yield
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)
