"""A backup is whole, private and never replaces a file; a restored one sends nothing that may have been sent."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from reconciler.core.errors import Invalid, NotSetUp, Unavailable
from reconciler.store.backup import (
    back_up,
    hold_restored,
    refuse_copy,
    restore_waits,
    restored_at,
)
from reconciler.store.database import Store, open_store
from reconciler.store.tables import acks

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add(store: Store, digest: str) -> None:
    with store.write() as connection:
        connection.execute(insert(acks).values(digest=digest, reason="", by="", at=NOW))


def digests(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.execute(select(acks.c.digest)).scalars())


@contextmanager
def opened(file: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{file}")
    try:
        yield store
    finally:
        store.close()


def test_a_backup_holds_what_was_committed(store: Store, tmp_path: Path) -> None:
    add(store, "before")
    size = back_up(store, tmp_path / "copy.db", NOW)
    add(store, "after")
    assert size == (tmp_path / "copy.db").stat().st_size > 0
    with opened(tmp_path / "copy.db") as copy:
        assert digests(copy) == {"before"}


def test_it_is_one_private_file(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    back_up(store, folder / "copy.db", NOW)
    assert [p.name for p in folder.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_never_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(Invalid, match="exists"):
        back_up(store, tmp_path / "copy.db", NOW)
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_nothing_is_left_of_a_backup_that_failed(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"copy\.db"):
        back_up(store, tmp_path / "absent" / "copy.db", NOW)
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / ".copy.db.partial").write_text("another backup is being written")
    with pytest.raises(Invalid, match="exists"):
        back_up(store, folder / "copy.db", NOW)
    assert [p.name for p in folder.iterdir()] == [".copy.db.partial"]


def test_writing_goes_on_meanwhile_and_the_copy_is_one_moment(store: Store, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            with store.write() as connection:
                for half in "ab":
                    connection.execute(insert(acks).values(digest=f"{number}{half}", reason="x" * 9000, by="", at=NOW))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(store, tmp_path / f"copy{number}.db", NOW)
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        with opened(tmp_path / f"copy{number}.db") as copy:
            found = digests(copy)
        assert {d[:-1] + "b" for d in found} == {d[:-1] + "b" for d in found if d.endswith("b")}


def test_a_copy_is_refused_until_somebody_says_that_it_was_restored(store: Store, tmp_path: Path) -> None:
    back_up(store, tmp_path / "copy.db", NOW)
    with store.read() as connection:
        refuse_copy(connection)
    with opened(tmp_path / "copy.db") as copy:
        with copy.read() as connection, pytest.raises(NotSetUp, match="run --after-restore"):
            refuse_copy(connection)
        with copy.write() as connection:
            assert hold_restored(connection, NOW) == 0
        with copy.read() as connection:
            refuse_copy(connection)
            assert restored_at(connection) == NOW
            assert restore_waits(connection)


def test_restored_twice_the_later_moment_counts(store: Store) -> None:
    for moment in (NOW, NOW + timedelta(hours=1)):
        with store.write() as connection:
            hold_restored(connection, moment)
    with store.read() as connection:
        assert restored_at(connection) == NOW + timedelta(hours=1)
