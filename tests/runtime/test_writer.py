"""The writer thread on a real store: pieces share a commit, fail alone, and are given out only once durable."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from reconciler.core.errors import Unavailable
from reconciler.runtime.writer import MOST_JOBS, Writer
from reconciler.store.database import Store, open_store

Work = Callable[[Connection], Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    yield opened
    opened.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    made = Writer(store)
    yield made
    made.close()


@pytest.fixture
def commits(store: Store) -> list[int]:
    """Grows by one with each transaction that was committed."""
    counted: list[int] = []
    event.listen(store._engine, "commit", lambda _connection: counted.append(1))
    return counted


def noting(value: str) -> Work:
    """Work that leaves a row behind."""

    def work(connection: Connection) -> str:
        connection.execute(text("INSERT INTO meta (name, value) VALUES (:value, :value)"), {"value": value})
        return value

    return work


def failing_after(value: str) -> Work:
    """Work that leaves a row behind and then fails."""

    def work(connection: Connection) -> None:
        noting(value)(connection)
        raise ValueError(value)

    return work


def breaking_the_commit(connection: Connection) -> None:
    """Work that goes well and makes the whole transaction's commit fail: a reference to nothing, checked at the end."""
    connection.execute(text("PRAGMA defer_foreign_keys = ON"))
    connection.execute(text("INSERT INTO raw_mails (mail_id, data) VALUES (4711, x'00')"))


def noted(tmp_path: Path) -> set[str]:
    """What another process would see."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        rows = connection.execute("SELECT name FROM meta WHERE name LIKE 'n%'").fetchall()
    return {name for (name,) in rows}


@contextmanager
def held_up(writer: Writer) -> Iterator[None]:
    """While inside, the writer is busy with one piece; what is submitted meanwhile waits together."""
    busy, go_on = threading.Event(), threading.Event()

    def wait(_connection: Connection) -> None:
        busy.set()
        assert go_on.wait(20)

    first = writer.submit(wait)
    assert busy.wait(20)
    yield
    go_on.set()
    first.result(20)


def together(writer: Writer, *works: Work) -> list[Future[Any]]:
    """Submit these so that they share a transaction, and wait for all of them."""
    with held_up(writer):
        futures = [writer.submit(work) for work in works]
    for future in futures:
        future.exception(20)
    return futures


def test_a_result_is_given_out_once_it_is_durable(writer: Writer, tmp_path: Path) -> None:
    assert writer.run(noting("n1")) == "n1"
    assert noted(tmp_path) == {"n1"}


def test_nothing_is_visible_or_given_out_before_the_commit(writer: Writer, tmp_path: Path) -> None:
    wrote, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        noting("n1")(connection)
        wrote.set()
        assert go_on.wait(20)

    future = writer.submit(work)
    assert wrote.wait(20)
    assert (noted(tmp_path), future.done()) == (set(), False)
    go_on.set()
    future.result(20)
    assert noted(tmp_path) == {"n1"}


def test_pieces_that_wait_together_share_one_commit(writer: Writer, commits: list[int], tmp_path: Path) -> None:
    futures = together(writer, *(noting(f"n{n}") for n in range(50)))
    assert [f.result() for f in futures] == [f"n{n}" for n in range(50)]
    assert len(commits) == 2
    assert len(noted(tmp_path)) == 50


def test_a_commit_takes_a_bounded_number_of_pieces(writer: Writer, commits: list[int], tmp_path: Path) -> None:
    together(writer, *(noting(f"n{n}") for n in range(MOST_JOBS + 1)))
    assert len(commits) == 3
    assert len(noted(tmp_path)) == MOST_JOBS + 1


def test_a_piece_that_fails_is_undone_alone_and_gets_its_own_exception(writer: Writer, tmp_path: Path) -> None:
    first, bad, last = together(writer, noting("n1"), failing_after("n2"), noting("n3"))
    assert (first.result(), last.result()) == ("n1", "n3")
    with pytest.raises(ValueError, match="n2"):
        bad.result()
    assert noted(tmp_path) == {"n1", "n3"}


def test_a_piece_that_the_database_refuses_fails_alone(writer: Writer, tmp_path: Path) -> None:
    first, twice, last = together(writer, noting("n1"), noting("n1"), noting("n2"))
    assert (first.exception(), last.exception()) == (None, None)
    assert "UNIQUE" in str(twice.exception())
    assert noted(tmp_path) == {"n1", "n2"}


def test_a_commit_that_fails_fails_every_piece_and_leaves_nothing(writer: Writer, tmp_path: Path) -> None:
    futures = together(writer, noting("n1"), breaking_the_commit, failing_after("n2"), noting("n3"))
    assert [type(f.exception()) for f in futures] == [Unavailable] * 4
    assert "did not commit" in str(futures[0].exception())
    assert noted(tmp_path) == set()


def test_after_a_failed_commit_the_writer_goes_on(writer: Writer, tmp_path: Path) -> None:
    assert isinstance(writer.submit(breaking_the_commit).exception(20), Unavailable)
    writer.run(noting("n1"))
    assert noted(tmp_path) == {"n1"}


def test_closing_finishes_what_is_queued(store: Store, tmp_path: Path) -> None:
    writer = Writer(store)
    with held_up(writer):
        futures = [writer.submit(noting(f"n{n}")) for n in range(5)]
    writer.close()
    assert all(f.done() for f in futures)
    assert len(noted(tmp_path)) == 5
