"""Copies a store while it is in use, and what keeps a restored copy from sending what was sent already."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, insert, update

from reconciler.core.errors import Invalid, NotSetUp, Unavailable
from reconciler.core.outbox import OutboxState
from reconciler.store.database import Store, read_meta
from reconciler.store.tables import meta, outbox

_COPIED_AT = "copied-at"
_RESTORED_AT = "restored-at"
_UNRELEASED = "restored-unreleased"


def back_up(store: Store, file: Path, now: datetime) -> int:
    """Write a copy of the store as it is now, with mode 0600; other programs go on meanwhile. Returns its bytes.

    The copy knows that it is one. Raises Invalid if the file exists, Unavailable if it cannot be written; then no file
    is left behind.
    """
    partial = file.with_name(f".{file.name}.partial")
    made: list[Path] = []
    try:
        for path in (file, partial):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            made.append(path)
        _copy(store, partial, now)
        _sync(partial)
        partial.replace(file)
        _sync(file.parent)
    except FileExistsError as error:
        _remove(made)
        raise Invalid(f"{error.filename} exists; a backup never replaces a file, name another one") from error
    except (OSError, sqlite3.Error) as error:
        _remove(made)
        raise Unavailable(f"cannot write the backup {file}: {error}") from error
    except BaseException:
        _remove(made)
        raise
    return file.stat().st_size


def _copy(store: Store, target: Path, now: datetime) -> None:
    with store.read() as connection, closing(sqlite3.connect(target)) as copy:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        source.backup(copy)
        # One file and no companions: it can be copied about.
        copy.execute("PRAGMA journal_mode = DELETE")
        with copy:
            copy.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_COPIED_AT, now.isoformat()))
        if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the copy is damaged, and so is most likely the store")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(made: list[Path]) -> None:
    for path in made:
        with contextlib.suppress(OSError):
            path.unlink()


def refuse_copy(connection: Connection) -> None:
    """Raise NotSetUp if the store is a backup that was put in place and nobody has said so yet."""
    copied_at = read_meta(connection, _COPIED_AT)
    if copied_at is not None:
        raise NotSetUp(
            f"this store is a backup of {copied_at}; what was sent since then would go out again: "
            "run: reconciler run --after-restore"
        )


def hold_restored(connection: Connection, now: datetime) -> int:
    """The store was restored: hold all that waits in the outbox until a person releases it. Returns how many mails.

    Mails that came before this moment may have been answered already, see core.restore.
    """
    statement = (
        update(outbox)
        .where(outbox.c.state.in_([OutboxState.QUEUED.value, OutboxState.SENDING.value]))
        .values(state=OutboxState.RESTORED.value, claimed_by=None, possibly_twice=True)
    )
    connection.execute(delete(meta).where(meta.c.name.in_([_COPIED_AT, _RESTORED_AT, _UNRELEASED])))
    connection.execute(insert(meta).values(name=_RESTORED_AT, value=now.isoformat()))
    connection.execute(insert(meta).values(name=_UNRELEASED, value=now.isoformat()))
    return int(connection.execute(statement).rowcount)


def release_restored(connection: Connection, now: datetime, outbox_id: int | None = None) -> int:
    """Let what a restore holds be sent, one mail or all of it; then reminders go on too. Returns how many mails."""
    statement = update(outbox).where(outbox.c.state == OutboxState.RESTORED.value)
    if outbox_id is not None:
        statement = statement.where(outbox.c.id == outbox_id)
    else:
        connection.execute(delete(meta).where(meta.c.name == _UNRELEASED))
    return int(connection.execute(statement.values(state=OutboxState.QUEUED.value, next_at=now)).rowcount)


def discard_restored(connection: Connection, outbox_id: int, reason: str) -> bool:
    """Never send a mail that a restore holds, most likely because it was sent. False if the restore holds no such."""
    statement = update(outbox).where(outbox.c.id == outbox_id, outbox.c.state == OutboxState.RESTORED.value)
    values = {"state": OutboxState.FAILED.value, "answer": f"discarded after a restore: {reason}".rstrip(": ")}
    return bool(connection.execute(statement.values(**values)).rowcount)


def restore_waits(connection: Connection) -> bool:
    """Whether a restored store waits for a person to release what it holds; until then nothing reminds by itself."""
    return read_meta(connection, _UNRELEASED) is not None


def restored_at(connection: Connection) -> datetime | None:
    """When the store was restored from a backup; None if it never was."""
    text = read_meta(connection, _RESTORED_AT)
    return None if text is None else datetime.fromisoformat(text)
