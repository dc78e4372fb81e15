"""The door between the engine and a mail protocol: what a plug-in registers and what a session must do.

The engine decides which mails to take and when they are durable; a session only lists, fetches and acknowledges.
It is used by one thread at a time. Doors translate every foreign exception into `health.Trouble` or `health.Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from socket import socket
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import Fetched, Listing, Mark
from reconciler.core.secret import Secret
from reconciler.protocol.connection import Opening

T = TypeVar("T")
Flow = Generator[None, None, T]
"""Work of a conversation without I/O: it yields when more has to come from the server, and returns its result."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a door may wait, in seconds: for a connection, for one answer, for the answer to a mail that was sent.

    The last is long because a server that gets no patience there gets the mail twice (RFC 5321 4.5.3.2.6).
    `opening` hears of the socket as soon as there is one: a server that sends a byte now and then is always in time.
    """

    connect: float = 10.0
    command: float = 30.0
    final_answer: float = 600.0
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What came of an acknowledgement: UIDs of which the server was told for certain, and those it refused.

    A UID in neither was told, but it is certain only once `Session.finish` returns it.
    """

    done: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Taken:
    """The mails that came, and what then went wrong: those that came are stored before anything is raised."""

    mails: Sequence[Fetched]
    trouble: ReconcilerError | None = None


class Session(Protocol):
    """One open, logged-in connection to one mailbox. After any error the caller closes it and opens another."""

    @property
    def usable(self) -> bool:
        """False once the session is over; a further step then needs another one."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server announces, in capitals; empty for a protocol that announces nothing."""
        ...

    @property
    def login_delay(self) -> float:
        """Seconds the server wants between the beginning of this session and that of the next; 0 for no wish."""
        ...

    @property
    def copier(self) -> Copier | None:
        """How mails are copied where no single command moves them; None where one does."""
        ...

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Listing:
        """Select `folder` for reading and writing; the mails that are not in `known`, oldest first, with size and date.

        `since` lets a door leave out what is certainly older (a day of slack for SEARCH's whole days). Fetches no body
        and changes no flag. Raises Refused(FOLDER_MISSING) if there is no such folder.
        """
        ...

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Iterator[Fetched]:
        """The raw bytes of these mails, by PEEK (RFC 3501 6.4.5); a mail that has vanished is left out.

        An empty or short body is an error (`Trouble(PROTOCOL_ERROR)`), never a mail.
        """
        ...

    def heads(self, listing: Listing, uids: Sequence[str]) -> Mapping[str, bytes]:
        """The headers these mails have now, by UID; without those that have vanished or show none. No flag changes.

        Asked after UIDs were given out anew, and without UIDVALIDITY to see whether a UID still means the stored mail.
        """
        ...

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Acknowledged:
        """Tell the server these are stored: `seen`, `move`, `delete` or `keep`; by UID, never a plain EXPUNGE.

        A vanished mail counts as done. Telling the same twice in a session does no harm. Where there is a `copier`,
        `move` is never asked for, but a copy and then `delete`.
        """
        ...

    def finish(self) -> frozenset[str]:
        """End what needs an end before it is certain; called once everything that was fetched is stored.

        Returns the UIDs whose acknowledgement has become certain by it; none where the server's answer is lost. The
        session may be over then, see `usable`. Only a door with a single folder may leave acknowledgements uncertain.
        Raises Trouble(ACKNOWLEDGE_REFUSED) if the server refuses.
        """
        ...

    def close(self) -> None:
        """End the session politely if that takes no time and makes nothing certain; never raises."""
        ...

    def abort(self) -> None:
        """Cut the connection at once; safe to call from another thread while a call hangs. Never raises."""
        ...


class Copier(Protocol):
    """The part of a session that moves mails in two steps: after the first they are in both folders."""

    def mark(self, folder: str) -> Mark:
        """Where the next mail of this folder will stand. Raises Refused(FOLDER_MISSING) if there is no such folder."""
        ...

    def came_since(self, mark: Mark) -> Sequence[bytes]:
        """The headers of all mails from the mark on; no flag changes. Raises Trouble if UIDVALIDITY is another."""
        ...

    def copy(self, listing: Listing, uids: Sequence[str], to: str) -> Acknowledged:
        """Copy these; `done` are those that are copied for certain, or have vanished.

        Raises Refused(ACKNOWLEDGE_REFUSED) if they could not be deleted afterwards, Refused(FOLDER_MISSING).
        """
        ...


class FlowCopier(Protocol):
    """See `Copier`."""

    def mark(self, folder: str) -> Flow[Mark]:
        """See `Copier.mark`."""
        ...

    def came_since(self, mark: Mark) -> Flow[Sequence[bytes]]:
        """See `Copier.came_since`."""
        ...

    def copy(self, listing: Listing, uids: Sequence[str], to: str) -> Flow[Acknowledged]:
        """See `Copier.copy`; every answer has been heard."""
        ...


class FlowSession(Protocol):
    """A session as a flow without I/O: whoever drives it carries the bytes and resumes a flow when some have come.

    Its methods mean what those of `Session` mean. One flow at a time; after any error the connection is closed.
    """

    @property
    def usable(self) -> bool:
        """See `Session.usable`."""
        ...

    @property
    def login_delay(self) -> float:
        """See `Session.login_delay`."""
        ...

    @property
    def copier(self) -> FlowCopier | None:
        """See `Session.copier`."""
        ...

    def outgoing(self) -> bytes:
        """What is to be sent now; given out once."""
        ...

    def receive(self, data: bytes | memoryview) -> None:
        """Bytes have come from the server."""
        ...

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Flow[Listing]:
        """See `Session.list`; with `known` mails it may show only what came since the last listing."""
        ...

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Flow[Taken]:
        """See `Session.fetch`."""
        ...

    def heads(self, listing: Listing, uids: Sequence[str]) -> Flow[Mapping[str, bytes]]:
        """See `Session.heads`."""
        ...

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Flow[Acknowledged]:
        """See `Session.acknowledge`; may return before the server has answered."""
        ...

    def settle(self, *, wait: bool) -> Flow[Acknowledged]:
        """What has become of acknowledgements since this was last asked; `wait`: until none is uncertain.

        Raises Trouble or Refused(FOLDER_MISSING) if the server refuses for a reason that is not the mails'.
        """
        ...

    def watch(self) -> bool:
        """Have the server tell of new mail by itself from now on; False if it offers no such thing."""
        ...

    def news(self) -> bool:
        """Take in what came while no flow was running; whether mail may have come. Raises Trouble."""
        ...

    def goodbye(self) -> None:
        """Queue a polite end, if one makes nothing certain."""
        ...


@dataclass(frozen=True, slots=True)
class ProtocolPlugin:
    """What a protocol registers: its name, its settings model (imports pydantic only), and how to open a session.

    `load` returns the opener `open(settings, secret, limits) -> Session`; the secret is None where none is named,
    so that validating never imports a mail library. `folders`, `after_fetch`, `move_to` and `start` are read from the
    settings by these very names where the model has them; so are `host` and `username`, or `path`, which name the
    mailbox. `channels` are further channels that inbound accounts may name. `settings_models` has a model for each key
    of an account's `settings:` that this plug-in owns. `load_flow` returns the opener of the fast door, where the
    protocol has one: `open(settings, secret, limits) -> (connected socket, FlowSession)`, logged in, with nothing read
    ahead. `load_greeting` returns what tries a server without a login and without a secret:
    `greet(settings, limits) -> capabilities`, in capitals.
    """

    name: str
    settings: type[BaseModel]
    load: Callable[[], Callable[[Any, Secret | None, Limits], Session]]
    channels: frozenset[str] = frozenset()
    settings_models: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    load_flow: Callable[[], Callable[[Any, Secret | None, Limits], tuple[socket, FlowSession]]] | None = None
    load_greeting: Callable[[], Callable[[Any, Limits], frozenset[str]]] | None = None
