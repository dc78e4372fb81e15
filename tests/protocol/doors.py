"""Both doors to a protocol behind one interface, so that a test asks the same of them."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from reconciler.core.fetch import Fetched, Listing, Mark
from reconciler.core.health import Condition, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Acknowledged, Flow, FlowCopier, FlowSession, Limits, Session

T = TypeVar("T")


class Driven:
    """A flow driven by waiting for each answer; implements `base.Session`."""

    def __init__(self, connection: socket.socket, flow: FlowSession, limits: Limits) -> None:
        self.flow, self.login_delay = flow, flow.login_delay
        self._connection, self._seconds, self._failed = connection, limits.command, False

    @property
    def usable(self) -> bool:
        return self.flow.usable and not self._failed

    @property
    def capabilities(self) -> frozenset[str]:
        return self.flow.capabilities

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Listing:
        return self.run(self.flow.list(folder, known, since))

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Iterator[Fetched]:
        taken = self.run(self.flow.fetch(listing, uids))
        yield from taken.mails
        if taken.trouble is not None:
            raise taken.trouble

    def heads(self, listing: Listing, uids: Sequence[str]) -> Mapping[str, bytes]:
        return self.run(self.flow.heads(listing, uids))

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Acknowledged:
        told = self.run(self.flow.acknowledge(listing, uids, how, move_to))
        later = self.run(self.flow.settle(wait=True))
        return Acknowledged(told.done | later.done, told.refused | later.refused)

    @property
    def copier(self) -> Driven | None:
        return self if self.flow.copier is not None else None

    def mark(self, folder: str) -> Mark:
        return self.run(self._copier.mark(folder))

    def came_since(self, mark: Mark) -> Sequence[bytes]:
        return self.run(self._copier.came_since(mark))

    def copy(self, listing: Listing, uids: Sequence[str], to: str) -> Acknowledged:
        return self.run(self._copier.copy(listing, uids, to))

    @property
    def _copier(self) -> FlowCopier:
        assert self.flow.copier is not None
        return self.flow.copier

    def finish(self) -> frozenset[str]:
        return self.run(self.flow.settle(wait=True)).done

    def close(self) -> None:
        if not self._failed:
            self.flow.goodbye()
            with contextlib.suppress(OSError):
                self._send()
                self._connection.settimeout(1)
                while self._connection.recv(65536):
                    pass
        self._connection.close()

    def abort(self) -> None:
        self._failed = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def run(self, flow: Flow[T]) -> T:
        """Drive it to its end."""
        try:
            while True:
                try:
                    next(flow)
                except StopIteration as end:
                    self._send()
                    return end.value  # type: ignore[no-any-return]
                self._send()
                self._receive()
        except Trouble:
            self._failed = True
            raise

    def _send(self) -> None:
        if data := self.flow.outgoing():
            self._connection.setblocking(True)
            self._connection.sendall(data)
            self._connection.setblocking(False)

    def _receive(self) -> None:
        while True:
            try:
                data = self._connection.recv(65536)
                break
            except (BlockingIOError, ssl.SSLWantReadError):
                if not select.select([self._connection], [], [], self._seconds)[0]:
                    raise Trouble(Condition.TIMED_OUT, "no answer in time") from None
        if not data:
            raise Trouble(Condition.UNREACHABLE, "the connection was closed")
        self.flow.receive(data)


def by_flow(opener: Callable[..., tuple[socket.socket, FlowSession]]) -> Callable[[Any, Secret, Limits], Session]:
    """An opener like the thread door's that drives the fast door's flow."""

    def opened(settings: Any, secret: Secret, limits: Limits) -> Session:
        return Driven(*opener(settings, secret, limits), limits)

    return opened
