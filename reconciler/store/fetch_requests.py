"""Requests for a step at once, as rows: a command adds them and waits, the running process answers them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from reconciler.core.fetch import StepLine
from reconciler.store.operator_tables import fetch_requests as requests

FORGOTTEN = timedelta(days=1)
"""What a command left behind that was killed while it waited is taken away after this."""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Open:
    """A request without answer. `seen_at` None: nobody took it up yet."""

    id: int
    account_key: int
    seen_at: datetime | None


def ask(connection: Connection, batch: str, account_keys: Iterable[int], now: datetime) -> None:
    """Ask for a step of each of these accounts, one at least, in this order; `batch` names whoever asks."""
    connection.execute(delete(requests).where(requests.c.asked_at < now - FORGOTTEN))
    connection.execute(
        insert(requests), [{"batch": batch, "account_key": key, "asked_at": now} for key in account_keys]
    )


def still_open(connection: Connection) -> list[Open]:
    """All requests without answer, the oldest first."""
    query = select(requests).where(requests.c.answer.is_(None)).order_by(requests.c.id)
    return [Open(row.id, row.account_key, row.seen_at) for row in connection.execute(query)]


def take_up(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Say that the running process knows of these."""
    for some in _parts(ids):
        here = update(requests).where(requests.c.id.in_(some), requests.c.seen_at.is_(None))
        connection.execute(here.values(seen_at=now))


def answer(connection: Connection, ids: Collection[int], line: StepLine) -> None:
    """The step that these asked for has ended so; the first answer stays."""
    for some in _parts(ids):
        here = update(requests).where(requests.c.id.in_(some), requests.c.answer.is_(None))
        connection.execute(here.values(answer=asdict(line)))


def answered(connection: Connection, batch: str, known: Collection[int]) -> dict[int, StepLine]:
    """The answers to a batch that are not `known` yet, in the order they were asked for."""
    query = select(requests.c.id).where(requests.c.batch == batch, requests.c.answer.is_not(None))
    found = [id_ for id_ in connection.execute(query.order_by(requests.c.id)).scalars() if id_ not in known]
    rows = (
        row
        for some in _parts(found)
        for row in connection.execute(
            select(requests.c.id, requests.c.answer).where(requests.c.id.in_(some)).order_by(requests.c.id)
        )
    )
    return {row.id: StepLine(**row.answer) for row in rows}


def unseen(connection: Connection, batch: str) -> int:
    """How many requests of a batch nobody took up yet."""
    query = select(func.count()).where(requests.c.batch == batch, requests.c.seen_at.is_(None))
    return int(connection.execute(query.where(requests.c.answer.is_(None))).scalar_one())


def withdraw(connection: Connection, batch: str) -> None:
    """Whoever asked waits no longer."""
    connection.execute(delete(requests).where(requests.c.batch == batch))


def _parts(ids: Collection[int]) -> list[list[int]]:
    """As many at a time as a statement may have parameters, and far fewer."""
    every = sorted(ids)
    return [every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE)]
