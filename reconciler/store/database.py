"""Opens the store: URL, schema version, reading and writing transactions; the place that knows dialects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, PoolProxiedConnection, bindparam, create_engine, event, inspect, select, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError as BadUrl
from sqlalchemy.exc import DBAPIError, OperationalError

from reconciler.core.errors import Invalid, NotSetUp, Outdated, Unavailable
from reconciler.store.tables import meta

SCHEMA = "0015"
"""The newest migration; a store at another version is migrated when opened, a newer one refused."""

BUSY_SECONDS = 20.0
"""How long a locked store is waited for, unless the URL says otherwise: `sqlite:///PATH?timeout=SECONDS`."""

T = TypeVar("T")

_META = select(meta.c.value).where(meta.c.name == bindparam("wanted"))
_SECONDS = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?")


class NotBegun(Unavailable):
    """The store did not even begin a transaction: it says the same to whatever was to be written."""


class CommitUnknown(Unavailable):
    """COMMIT failed, and what it was to make durable may be there or not."""


class Store:
    """An open store. `read()` sees one snapshot; `write()` is one transaction that is durable when the block ends."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def url(self) -> str:
        """The URL it was opened by, without password."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; one consistent snapshot. Raises Unavailable if the store cannot be reached."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning (BEGIN IMMEDIATE) and is durable at the end."""
        with self._translated(), self._engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do this in a transaction as `write()` makes one; its result once that is durable.

        Raises NotBegun; CommitUnknown; else, as Unavailable or as it came, what the work or COMMIT raised, and then
        nothing of it is there: it may be done again. After a failed COMMIT that is certain if SQLite still has the
        transaction open (it is rolled back: sqlite.org/lang_transaction.html, 2.3 and 3), or else if another connection
        sees that nobody at all has committed since the write lock was had (PRAGMA data_version): an error after the
        commit, as a WAL hook may raise (sqlite.org/c3ref/wal_hook.html), looks to the caller like one before it.
        """
        with self._translated(), self._engine.connect() as connection:
            connection.execution_options(writes=True)
            try:
                transaction = connection.begin()
            except OperationalError as error:
                raise NotBegun(f"the store {self.url} does not answer: {error.orig}", retry_after=1.0) from error
            with transaction, closing(self._engine.raw_connection()) as other:
                before = _commits_seen(other)
                result = work(connection)
                try:
                    transaction.commit()
                except DBAPIError as error:
                    if not _rolled_back(connection) and (before is None or _commits_seen(other) != before):
                        raise CommitUnknown(f"the store {self.url} may have committed or not: {error.orig}") from error
                    raise
            return result

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise Unavailable(f"the store {self.url} does not answer: {error.orig}", retry_after=1.0) from error


def _commits_seen(other: PoolProxiedConnection) -> int | None:
    """A number that differs once anybody but this connection has committed; None if it cannot be had."""
    raw: Any = other.dbapi_connection
    try:
        # Outside any transaction, which would see one snapshot until its end.
        return int(raw.execute("PRAGMA data_version").fetchone()[0])
    except raw.Error:
        return None


def _rolled_back(connection: Connection) -> bool:
    """After a failed COMMIT: undo the transaction if it is still open; False if it was not."""
    raw: Any = connection.connection.dbapi_connection
    was_open = bool(raw.in_transaction)
    if was_open:
        # SQLAlchemy takes a transaction whose COMMIT was tried for ended, and gives the connection back as it is.
        raw.rollback()
    return was_open


def open_store(url: str, *, create: bool = False) -> Store:
    """Open the store at `url` (`sqlite:///PATH`), bringing its schema up to date.

    Raises NotSetUp if there is none and `create` is False, Invalid for a URL that names no database this program can
    use, Outdated for a schema newer than the program, Unavailable if it does not answer.
    """
    try:
        parsed = make_url(url)
    except BadUrl as error:
        raise Invalid(f"--state {url}: not a URL; write sqlite:///PATH") from error
    if parsed.get_backend_name() != "sqlite":
        raise Invalid(f"--state {parsed.render_as_string(hide_password=True)}: write sqlite:///PATH")
    wait = parsed.query.get("timeout", "0")
    if parsed.query.keys() - {"timeout"} or not isinstance(wait, str) or not _SECONDS.fullmatch(wait):
        raise Invalid(f"--state {url}: write sqlite:///PATH or sqlite:///PATH?timeout=SECONDS")
    if not parsed.database or parsed.database == ":memory:":
        raise Invalid(f"--state {url}: the path is missing; write sqlite:///PATH")
    path = Path(parsed.database)
    if not path.exists():
        if not create:
            raise NotSetUp(f"no applied state at {url}; run: reconciler apply")
        _create_file(path)
    store = Store(_engine(url))
    _bring_up_to_date(store)
    return store


def _create_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise Unavailable(f"cannot create {path}: {error.strerror}") from error


def _engine(url: str) -> Engine:
    waits = {} if "timeout" in make_url(url).query else {"timeout": BUSY_SECONDS}
    engine = create_engine(url, connect_args=waits, pool_size=8)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_size = 16384")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail on SQLite once another writer came between.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _bring_up_to_date(store: Store) -> None:
    try:
        with store.read() as connection:
            version = _version(connection)
    except DBAPIError as error:
        raise Invalid(f"{store.url} is not a store of this program: {error.orig}") from error
    if version == SCHEMA:
        return
    if version is not None and version > SCHEMA:
        newer = f"schema {version}, this one knows {SCHEMA}"
        raise Outdated(f"{store.url} was written by a newer program ({newer}); update this one, nothing was touched")
    from reconciler.store.migrate import upgrade

    upgrade(store)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def instance(connection: Connection) -> str:
    """This installation's id (8 characters of a-z2-7), made when the store was created; part of every Message-ID."""
    return str(read_meta(connection, "instance"))


def read_meta(connection: Connection, name: str) -> str | None:
    """What the store says of itself under a name; None if it says nothing."""
    return connection.execute(_META, {"wanted": name}).scalar_one_or_none()
