"""Opening a store, and what it holds without changing it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, select, text

from reconciler.core.errors import ExitCode, Invalid, NotSetUp, Unavailable
from reconciler.store.database import SCHEMA, Store, instance, open_store
from reconciler.store.migrate import migrate
from reconciler.store.operator_tables import metadata
from reconciler.store.tables import units
from tests.states import NOW


def test_a_missing_store_is_not_set_up_and_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with pytest.raises(NotSetUp, match="run: reconciler apply") as caught:
        open_store(f"sqlite:///{path}")
    assert caught.value.exit_code is ExitCode.NOT_SET_UP
    assert not path.exists()


def test_a_store_and_its_folder_are_their_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.db"
    open_store(f"sqlite:///{path}", create=True).close()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("nonsense", id="no URL"),
        pytest.param("sqlite://", id="no path"),
        pytest.param("sqlite:///:memory:", id="memory"),
        pytest.param("mysql://user:hunter2@db.example/x", id="another database"),
    ],
)
def test_a_url_that_cannot_be_used_says_how_to_write_it(url: str) -> None:
    with pytest.raises(Invalid, match="write sqlite:///PATH") as caught:
        open_store(url, create=True)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look like one " * 50)
    before = path.read_bytes()
    with pytest.raises(Invalid, match="is not a store of this program"):
        open_store(f"sqlite:///{path}", create=True)
    assert path.read_bytes() == before


@pytest.mark.field("newer schema")
def test_a_store_of_a_newer_program_is_refused(store: Store, tmp_path: Path) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Invalid, match="newer program"):
        open_store(store.url)


def test_a_locked_store_is_unavailable(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("reconciler.store.database.BUSY_SECONDS", 0.01)
    impatient = open_store(store.url)
    with store.write(), pytest.raises(Unavailable), impatient.write():
        pass
    impatient.close()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot create"):
        open_store(f"sqlite:///{tmp_path}/file/state.db", create=True)


def described(path: Path) -> dict[str, list[str]]:
    """All tables with columns, references and indexes; in which order they stand makes no difference."""
    found = sqlite3.connect(path)
    try:
        named = found.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        tables = [name for (name,) in found.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        # What comes before is a number that follows from the order.
        facts = {"table_info": 1, "foreign_key_list": 2, "index_list": 1}
        answers = {
            f"{fact} of {table}": sorted(repr(row[first:]) for row in found.execute(f"PRAGMA {fact}({table})"))
            for table in tables
            for fact, first in facts.items()
        }
        return answers | {name: sql.split() for name, sql in named}
    finally:
        found.close()


def test_the_migrations_make_what_a_new_store_is_made_with(store: Store, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == SCHEMA
    engine.dispose()
    made = described(tmp_path / "state.db")
    assert {f"table_info of {table.name}" for table in metadata.sorted_tables} < made.keys()
    assert described(tmp_path / "migrated.db") == made


def test_the_instance_is_made_once(store: Store) -> None:
    again = open_store(store.url)
    with store.read() as one, again.read() as two:
        assert instance(one) == instance(two)
        assert len(instance(one)) == 8
    again.close()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("a\x00b", "a\u2400b", id="NUL"),
        pytest.param("a\udc80b", "a?b", id="lone surrogate"),
        pytest.param("ä€😀\u202e\r\n\x1b[31m", "ä€😀\u202e\r\n\x1b[31m", id="everything else"),
        pytest.param("x" * 5_000_000, "x" * 5_000_000, id="endless header"),
        pytest.param("", "", id="empty"),
    ],
)
def test_text_from_mails_is_stored(store: Store, written: str, read: str) -> None:
    with store.write() as connection:
        connection.execute(insert(units).values(unit="acme", sync="Held", reason=written, since=NOW))
    with store.read() as connection:
        assert connection.execute(select(units.c.reason)).scalar_one() == read


def test_an_error_inside_a_transaction_leaves_nothing(store: Store) -> None:
    def fail_halfway() -> None:
        with store.write() as connection:
            connection.execute(insert(units).values(unit="acme", sync="Held", since=NOW))
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    with store.read() as connection:
        assert connection.execute(select(units)).all() == []


def test_a_reader_keeps_its_snapshot_while_another_writes(store: Store) -> None:
    with store.read() as reader:
        assert reader.execute(select(units)).all() == []
        with store.write() as writer:
            writer.execute(insert(units).values(unit="acme", sync="Held", since=NOW))
        assert reader.execute(select(units)).all() == []
    with store.read() as reader:
        assert len(reader.execute(select(units)).all()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_store_without_permission_is_unavailable(store: Store, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "state.db").chmod(0)
    with pytest.raises((Unavailable, Invalid)):
        open_store(store.url)
