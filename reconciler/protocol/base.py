"""The door between the engine and a mail protocol: what a plug-in registers and what a session must do.

The engine decides which mails to take and when they are durable; a session only lists, fetches and acknowledges.
It is used by one thread at a time. Doors translate every foreign exception into `health.Trouble` or `health.Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel

from reconciler.core.fetch import Fetched, Listing
from reconciler.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a door may wait, in seconds: for a connection, for one answer, for the answer to a mail that was sent.

    The last is long because a server that gets no patience there gets the mail twice (RFC 5321 4.5.3.2.6).
    """

    connect: float = 10.0
    command: float = 30.0
    final_answer: float = 600.0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What came of an acknowledgement: UIDs of which the server was told for certain, and those it refused.

    A UID in neither was told, but it is certain only once `Session.finish` returns it.
    """

    done: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


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

        A vanished mail counts as done. Telling the same twice in a session does no harm.
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


@dataclass(frozen=True, slots=True)
class ProtocolPlugin:
    """What a protocol registers: its name, its settings model (imports pydantic only), and how to open a session.

    `load` returns the opener `open(settings, secret, limits) -> Session`; the secret is None where none is named,
    so that validating never imports a mail library. `folders`, `after_fetch`, `move_to` and `start` are read from the
    settings by these very names where the model has them; so are `host` and `username`, or `path`, which name the
    mailbox. `channels` are further channels that inbound accounts may name. `settings_models` has a model for each key
    of an account's `settings:` that this plug-in owns.
    """

    name: str
    settings: type[BaseModel]
    load: Callable[[], Callable[[Any, Secret | None, Limits], Session]]
    channels: frozenset[str] = frozenset()
    settings_models: Mapping[str, type[BaseModel]] = field(default_factory=dict)
