"""The writer thread on a real store: pieces share a commit, fail alone, and are given out only once durable."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError

from reconciler.core.errors import Unavailable
from reconciler.runtime.writer import MOST_JOBS, Writer
from reconciler.store.database import CommitUnknown, NotBegun, Store, open_store
from tests.full_disk import full_disk

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


def failing_itself(connection: Connection) -> None:
    """Work whose statement is an operational error, as an unwell store's are."""
    noting("never")(connection)
    connection.execute(text("SELECT json('{')"))


def losing_the_transaction(connection: Connection) -> None:
    """Work that undoes whatever else is in its transaction, as SQLite does by itself when a disk is full."""
    noting("never")(connection)
    connection.execute(
        text("CREATE TEMP TRIGGER undo BEFORE INSERT ON main.meta BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
    )
    noting("never again")(connection)


def large(connection: Connection) -> None:
    """Work that needs a megabyte."""
    connection.execute(text("INSERT INTO meta (name, value) VALUES ('large', hex(zeroblob(500000)))"))


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


def test_a_piece_that_breaks_the_commit_fails_alone_with_its_own_exception(writer: Writer, tmp_path: Path) -> None:
    first, broken, bad, last = together(writer, noting("n1"), breaking_the_commit, failing_after("n2"), noting("n3"))
    assert (first.result(), last.result()) == ("n1", "n3")
    assert isinstance(broken.exception(), IntegrityError)
    assert isinstance(bad.exception(), ValueError)
    assert noted(tmp_path) == {"n1", "n3"}


@pytest.mark.parametrize("offender", [failing_itself, losing_the_transaction])
def test_a_piece_that_fails_the_whole_transaction_fails_alone(writer: Writer, tmp_path: Path, offender: Work) -> None:
    first, bad, *rest = together(writer, noting("n1"), offender, noting("n2"), offender, noting("n3"))
    assert isinstance(bad.exception(), Unavailable)
    assert (first.exception(), rest[0].exception(), rest[2].exception()) == (None, None, None)
    assert noted(tmp_path) == {"n1", "n2", "n3"}


def test_after_a_piece_that_fails_the_writer_goes_on(writer: Writer, tmp_path: Path) -> None:
    assert isinstance(writer.submit(breaking_the_commit).exception(20), IntegrityError)
    writer.run(noting("n1"))
    assert noted(tmp_path) == {"n1"}


@pytest.mark.parametrize("full", [pytest.param(True, id="full disk"), pytest.param(False, id="every piece fails")])
def test_a_store_that_is_unwell_is_tried_twice_more_and_not_for_every_piece(
    writer: Writer, tmp_path: Path, full: bool
) -> None:
    tried: list[int] = []

    def work(number: int, connection: Connection) -> None:
        tried.append(number)
        (large if full else failing_itself)(connection)

    with full_disk() if full else nullcontext():
        futures = together(writer, *(partial(work, number) for number in range(50)))
    assert [type(f.exception()) for f in futures] == [Unavailable] * 50
    alone = tried[-2:]
    assert alone == [0, 1]
    assert tried[:-2] == list(range(len(tried) - 2))
    writer.run(noting("n1"))
    assert noted(tmp_path) == {"n1"}


def test_what_does_not_fit_on_the_disk_fails_alone(writer: Writer, tmp_path: Path) -> None:
    writer.run(noting("n0"))
    with full_disk(tmp_path.joinpath("state.db-wal").stat().st_size + 500_000):
        first, bad, last = together(writer, noting("n1"), large, noting("n2"))
    assert isinstance(bad.exception(), Unavailable)
    assert (first.exception(), last.exception()) == (None, None)
    assert noted(tmp_path) == {"n0", "n1", "n2"}


def test_a_locked_store_is_waited_for_once_and_not_for_every_piece(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    open_store(url, create=True).close()
    store = open_store(f"{url}?timeout=0.05")
    begun: list[int] = []
    event.listen(store._engine, "begin", lambda _connection: begun.append(1))
    writer = Writer(store)
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        futures = [writer.submit(noting(f"n{n}")) for n in range(20)]
        assert {type(f.exception(20)) for f in futures} == {NotBegun}
        assert len(begun) <= 20
        other.execute("ROLLBACK")
    writer.run(noting("n1"))
    assert noted(tmp_path) == {"n1"}
    writer.close()
    store.close()


@pytest.mark.parametrize("is_committed", [True, False])
def test_after_a_commit_that_only_seems_to_have_failed_nothing_is_done_again(
    store: Store, tmp_path: Path, is_committed: bool
) -> None:
    writer, commit, calls = Writer(store), store._engine.dialect.do_commit, list[str]()

    def failing_once(connection: Any) -> None:
        """As a disk that fails after, or before, it has taken the commit."""
        store._engine.dialect.do_commit = commit  # type: ignore[method-assign]
        if is_committed:
            commit(connection)
        else:
            connection.rollback()
        raise sqlite3.OperationalError("disk I/O error")

    def work(name: str, connection: Connection) -> None:
        calls.append(name)
        noting(name)(connection)

    with held_up(writer):
        # What keeps the writer busy commits well; the next one fails.
        once = event.listens_for(store._engine, "commit", once=True)
        once(lambda _connection: setattr(store._engine.dialect, "do_commit", then_failing))
        futures = [writer.submit(partial(work, name)) for name in ("n1", "n2")]

        def then_failing(connection: Any) -> None:
            commit(connection)
            store._engine.dialect.do_commit = failing_once  # type: ignore[method-assign]

    outcomes = [type(f.exception(20)) for f in futures]
    if is_committed:
        assert (outcomes, calls) == ([CommitUnknown] * 2, ["n1", "n2"])
    else:
        assert (outcomes, calls) == ([type(None)] * 2, ["n1", "n2", "n1", "n2"])
    assert noted(tmp_path) == {"n1", "n2"}
    writer.close()


def test_closing_finishes_what_is_queued(store: Store, tmp_path: Path) -> None:
    writer = Writer(store)
    with held_up(writer):
        futures = [writer.submit(noting(f"n{n}")) for n in range(5)]
    writer.close()
    assert all(f.done() for f in futures)
    assert len(noted(tmp_path)) == 5
