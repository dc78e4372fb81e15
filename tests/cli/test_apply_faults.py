"""Applying while something fails underneath: a full disk, a locked or newer database, another writer, a moved clock."""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable
from reconciler.store.database import open_store
from reconciler.store.lease import Right, take
from tests.cli.conftest import Reconciler
from tests.folders import Folder, system
from tests.states import NOW, account


@pytest.fixture
def state(tmp_path: Path, folder: Folder, reconciler: Reconciler) -> Path:
    """A state in which main and acme are applied; globex and a changed acme wait to be."""
    assert reconciler("apply").code == 0
    folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    folder.write("globex", *(account(f"g{n}", address=f"g{n}@globex.example") for n in range(2)))
    return tmp_path / ".reconciler/state.db"


def dump(state: Path) -> list[str]:
    """All rows but those of leases."""
    connection = sqlite3.connect(state)
    try:
        return [line for line in connection.iterdump() if '"leases"' not in line]
    finally:
        connection.close()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: to the database that is a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def revisions(reconciler: Reconciler) -> dict[str, int]:
    return {t["tenant"]: t["revision"] for t in reconciler("status", "--format", "json").json["tenants"]}


def test_a_disk_that_is_full_at_once_leaves_all_as_it_was(state: Path, reconciler: Reconciler) -> None:
    before = dump(state)
    with files_of_at_most(4096):
        done = reconciler("apply")
    assert (done.code, "does not answer" in done.err) == (75, True), done.err
    assert dump(state) == before
    assert reconciler("apply").code == 0


def test_a_disk_that_fills_between_two_tenants_keeps_the_one_that_is_applied(
    state: Path, folder: Folder, reconciler: Reconciler
) -> None:
    before = revisions(reconciler)
    write_large(folder, "huge", parts=8)
    with files_of_at_most(state.stat().st_size + 400_000):
        done = reconciler("apply")
    assert (done.code, "does not answer" in done.err) == (75, True), done.err
    after = revisions(reconciler)
    assert after["acme"] != before["acme"]
    assert "huge" not in after
    assert reconciler("apply").code == 0
    assert "huge" in revisions(reconciler)


def write_large(folder: Folder, tenant: str, parts: int) -> None:
    """A tenant's folder whose revision is some megabytes large."""
    (folder.root / tenant).mkdir()
    for part in range(parts):
        name = "tenant" if part == 0 else f"part-{part}"
        address = f"a{part}@{tenant}.example"
        one = account(f"a{part}", address=address, imap={"host": f"{tenant}.example"}, settings={"x": "y" * 200_000})
        text = json.dumps({"version": 1, "tenant": tenant, "accounts": [one]})
        (folder.root / tenant / f"{name}.yaml").write_text(text)


def test_a_locked_database_is_waited_for_then_unavailable(state: Path, reconciler: Reconciler) -> None:
    before = dump(state)
    other = sqlite3.connect(state, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = reconciler("apply", "--state", f"sqlite:///{state}?timeout=0.05")
    assert (done.code, "locked" in done.err) == (75, True), done.err
    other.execute("ROLLBACK")
    other.close()
    assert dump(state) == before
    assert reconciler("apply").code == 0


@pytest.mark.parametrize("command", ["plan", "apply", "status", "history", "run", "fetch"])
def test_an_old_program_on_a_newer_schema_says_so_and_touches_nothing(
    state: Path,
    reconciler: Reconciler,
    command: str,
) -> None:
    with sqlite3.connect(state) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()
    before = state.read_bytes()
    done = reconciler(command)
    assert (done.code, "newer program" in done.err, done.out) == (78, True, "")
    assert state.read_bytes() == before


def test_of_two_that_apply_one_gives_way_and_names_the_other(state: Path, reconciler: Reconciler) -> None:
    before = dump(state)
    store = open_store(f"sqlite:///{state}")
    with take(store, Right.APPLY, "run", datetime.now(UTC)):
        done = reconciler("apply")
    store.close()
    assert (done.code, "run (pid " in done.err) == (75, True)
    assert dump(state) == before


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)], ids=["ahead", "back"])
def test_whatever_a_clock_does_only_one_of_two_holders_can_write(tmp_path: Path, jump: timedelta) -> None:
    store = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    first = take(store, Right.APPLY, "run", NOW)
    try:
        second = take(store, Right.APPLY, "run", NOW + jump)
    except Unavailable:
        second = None
    writers = 0
    for lease in filter(None, (first, second)):
        try:
            with store.write() as connection:
                lease.verify(connection)
            lease.renew(NOW + jump)
            writers += 1
        except Unavailable:
            pass
    assert writers == 1
    if second is not None:
        assert second.fence > first.fence
    store.close()
