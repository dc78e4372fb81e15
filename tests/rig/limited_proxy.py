"""A TCP proxy before a mail server that lets only so many connections of all logins be open at once, and says so."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import Self


class LimitedProxy:
    """Carries to a port on this machine; use as a context manager. `refusals` counts who was turned away with `words`.

    A connection counts until its client has closed it, not until this thread has seen that.
    """

    def __init__(self, target: int, most: int, words: str) -> None:
        self._target, self._most, self._words = target, most, words
        self.refusals, self.accepted, self.most_open = 0, 0, 0
        self._links: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._links):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                client, _ = self._listener.accept()
                self._links = [link for link in self._links if _is_open(link)]
                if len(self._links) >= self._most:
                    self.refusals += 1
                    client.sendall(f"{self._words}\r\n".encode())
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                self._links.append(client)
                self.accepted += 1
                self.most_open = max(self.most_open, len(self._links))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_carry, args=pair, daemon=True).start()


def _is_open(link: socket.socket) -> bool:
    if link.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(link, select.POLLRDHUP)
    return not poll.poll(0)


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
