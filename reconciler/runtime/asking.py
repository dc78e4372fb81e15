"""What a step asks for while it runs: of its session and of the store; and how threads answer by waiting for each.

A step is a generator, so that the same decisions are driven by a thread that waits and by the loop that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import Fetched, Listing, Mark
from reconciler.protocol.base import Acknowledged, Copier, Session, Taken
from reconciler.runtime.writer import Writer
from reconciler.store.database import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListFolder:
    """See `Session.list`; answered by a Listing."""

    folder: str
    known: Collection[str]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """See `Session.fetch`; answered by Taken. `size` is how many bytes are expected."""

    listing: Listing
    uids: Sequence[str]
    size: int


@dataclass(frozen=True, slots=True)
class Heads:
    """See `Session.heads`."""

    listing: Listing
    uids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """See `Session.acknowledge`; answered by Acknowledged, in which what is not known yet is missing."""

    listing: Listing
    uids: Sequence[str]
    how: str
    move_to: str | None


@dataclass(frozen=True, slots=True)
class MarkFolder:
    """See `Copier.mark`; answered by None where there is no `copier`."""

    folder: str


@dataclass(frozen=True, slots=True)
class CameSince:
    """See `Copier.came_since`."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class Copy:
    """See `Copier.copy`."""

    listing: Listing
    uids: Sequence[str]
    to: str


@dataclass(frozen=True, slots=True)
class Settle:
    """What has become of acknowledgements that were told and not answered yet; `wait`: until nothing is uncertain."""

    wait: bool


@dataclass(frozen=True, slots=True)
class Read:
    """A query of the store; answered by what it returns."""

    query: Callable[[Connection], Any]


@dataclass(frozen=True, slots=True)
class Write:
    """A piece of work for the writer; answered by its result once that is durable."""

    work: Callable[[Connection], Any]


@dataclass(frozen=True, slots=True)
class Note:
    """A piece of work for the writer that nobody waits for: were it lost, it would only be done again."""

    work: Callable[[Connection], Any]


Ask = ListFolder | Fetch | Heads | Acknowledge | MarkFolder | CameSince | Copy | Settle | Read | Write | Note
Asking = Generator[Ask, Any, T]


def list_folder(folder: str, known: Collection[str], since: datetime | None) -> Asking[Listing]:
    """Ask for a listing."""
    listing: Listing = yield ListFolder(folder, known, since)
    return listing


def fetch(listing: Listing, uids: Sequence[str], size: int) -> Asking[Taken]:
    """Ask for mails."""
    taken: Taken = yield Fetch(listing, uids, size)
    return taken


def heads(listing: Listing, uids: Sequence[str]) -> Asking[Mapping[str, bytes]]:
    """Ask for the headers of mails."""
    found: Mapping[str, bytes] = yield Heads(listing, uids)
    return found


def acknowledge(listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Asking[Acknowledged]:
    """Ask to tell the server."""
    told: Acknowledged = yield Acknowledge(listing, uids, how, move_to)
    return told


def mark_folder(folder: str) -> Asking[Mark | None]:
    """Ask where the next copy will stand; None if nothing has to be copied."""
    mark: Mark | None = yield MarkFolder(folder)
    return mark


def came_since(mark: Mark) -> Asking[Sequence[bytes]]:
    """Ask for the headers of what came since."""
    found: Sequence[bytes] = yield CameSince(mark)
    return found


def copy(listing: Listing, uids: Sequence[str], to: str) -> Asking[Acknowledged]:
    """Ask to copy."""
    copied: Acknowledged = yield Copy(listing, uids, to)
    return copied


def settle(*, wait: bool) -> Asking[Acknowledged]:
    """Ask what has become certain."""
    settled: Acknowledged = yield Settle(wait)
    return settled


def read(query: Callable[[Connection], T]) -> Asking[T]:
    """Ask the store."""
    answer: T = yield Read(query)
    return answer


def write(work: Callable[[Connection], T]) -> Asking[T]:
    """Ask for a durable write."""
    answer: T = yield Write(work)
    return answer


def answered_by_waiting(asking: Asking[T], session: Session, store: Store, writer: Writer | None = None) -> T:
    """Run what asks to its end in this thread, which waits for each answer; raises what it raises.

    Only what writes needs a writer.
    """
    answer: Any = None
    error: Exception | None = None
    while True:
        try:
            ask = asking.send(answer) if error is None else asking.throw(error)
        except StopIteration as end:
            result: T = end.value
            return result
        answer, error = None, None
        try:
            answer = _answer(ask, session, store, writer)
        except Exception as raised:
            error = raised


def _answer(ask: Ask, session: Session, store: Store, writer: Writer | None) -> Any:
    match ask:
        case ListFolder(folder, known, since):
            return session.list(folder, known, since)
        case Fetch(listing, uids):
            return _consumed(session.fetch(listing, uids))
        case Heads(listing, uids):
            return session.heads(listing, uids)
        case Acknowledge(listing, uids, how, move_to):
            return session.acknowledge(listing, uids, how, move_to)
        case MarkFolder() | CameSince() | Copy():
            return _answer_of_copier(ask, session.copier)
        case Settle(wait):
            return Acknowledged(session.finish()) if wait else Acknowledged()
        case Read(query):
            with store.read() as connection:
                return query(connection)
        case Write(work) | Note(work):
            if writer is None:
                raise ValueError("this only looks and writes nothing")
            return writer.run(work) if isinstance(ask, Write) else writer.submit(work)


def _answer_of_copier(ask: MarkFolder | CameSince | Copy, copier: Copier | None) -> Any:
    if copier is None:
        return None
    match ask:
        case MarkFolder(folder):
            return copier.mark(folder)
        case CameSince(mark):
            return copier.came_since(mark)
        case Copy(listing, uids, to):
            return copier.copy(listing, uids, to)


def _consumed(mails: Iterator[Fetched]) -> Taken:
    fetched: list[Fetched] = []
    try:
        for mail in mails:
            fetched.append(mail)  # noqa: PERF402
    except ReconcilerError as error:
        return Taken(fetched, error)
    return Taken(fetched)
