"""The writer thread: takes pieces of work from all loops and commits many of them in one transaction (group commit)."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from reconciler.core.errors import Unavailable
from reconciler.core.heartbeat import Loop
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.store.database import CommitUnknown, NotBegun, Store

T = TypeVar("T")

MOST_JOBS = 200
"""Pieces of work in one transaction at most; enough to make the disk's cost per piece small."""

MOST_FAILURES = 2
"""Pieces in a row, each tried by itself, that the store fails to take before it counts as unwell."""

_BEAT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Connection], Any]
    result: Future[Any]


class Writer:
    """Runs pieces of work on the store; a piece's result is given out only once it is durable.

    Pieces share a transaction, each in a savepoint: one that fails is undone alone and gets its own exception. If the
    transaction itself fails its pieces are done again, each in one of its own, so that only the offender fails; a piece
    must stand being called twice. An unwell store fails them all with Unavailable, and where it is not known whether it
    has committed nothing is done again. What has failed may not be acknowledged to anyone.
    """

    def __init__(self, store: Store, observer: Observer = UNOBSERVED) -> None:
        self._store, self._observer = store, observer
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue a piece of work; the future is done when it is durable, or has failed."""
        job: _Job = _Job(work, Future())
        self._jobs.put(job)
        return job.result

    def run(self, work: Callable[[Connection], T]) -> T:
        """Queue a piece of work and wait until it is durable; raises what it raised."""
        return self.submit(work).result()

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            jobs, ends = self._take()
            if jobs:
                self._commit(jobs)
            if ends:
                self._observer.ended(Loop.WRITER)
                return

    def _take(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        item = self._next()
        while True:
            if item is None:
                return jobs, True
            jobs.append(item)
            if len(jobs) == MOST_JOBS:
                return jobs, False
            try:
                item = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False

    def _next(self) -> _Job | None:
        """The next piece of work; while there is none the thread shows that it lives."""
        while True:
            self._observer.beat(Loop.WRITER)
            try:
                return self._jobs.get(timeout=_BEAT_SECONDS)
            except queue.Empty:
                continue

    def _commit(self, jobs: list[_Job]) -> None:
        started = time.monotonic()
        self._write(jobs)
        self._observer.committed(len(jobs), time.monotonic() - started)

    def _write(self, jobs: Sequence[_Job]) -> None:
        try:
            outcomes = self._store.transact(lambda connection: [_attempt(connection, job) for job in jobs])
        except Exception as error:
            if len(jobs) == 1 or isinstance(error, NotBegun | CommitUnknown):
                _fail(jobs, error)
            else:
                self._write_one_by_one(jobs)
            return
        for job, (value, failure) in zip(jobs, outcomes, strict=True):
            if failure is None:
                job.result.set_result(value)
            else:
                job.result.set_exception(failure)

    def _write_one_by_one(self, jobs: Sequence[_Job]) -> None:
        """After their transaction has failed; an unwell store is not asked for every one of them."""
        failures = 0
        for number, job in enumerate(jobs):
            self._observer.beat(Loop.WRITER)
            self._write([job])
            error = job.result.exception()
            failures = failures + 1 if isinstance(error, Unavailable) else 0
            if error is not None and (failures == MOST_FAILURES or isinstance(error, NotBegun)):
                _fail(jobs[number + 1 :], error)
                return


def _fail(jobs: Sequence[_Job], error: BaseException) -> None:
    for job in jobs:
        job.result.set_exception(error)


def _attempt(connection: Connection, job: _Job) -> tuple[Any, BaseException | None]:
    try:
        return _alone(connection, job.work), None
    except OperationalError:
        # A full disk may have undone the whole transaction already (sqlite.org/lang_transaction.html, 3).
        raise
    except Exception as error:
        return None, error


def _alone(connection: Connection, work: Callable[[Connection], T]) -> T:
    """Run the piece in a savepoint of its own. As SQL, since SQLAlchemy's costs as much as a small piece does."""
    connection.exec_driver_sql("SAVEPOINT piece")
    try:
        value = work(connection)
    except OperationalError:
        # The whole transaction fails, and the savepoint may be gone with it.
        raise
    except BaseException:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT piece")
        connection.exec_driver_sql("RELEASE SAVEPOINT piece")
        raise
    connection.exec_driver_sql("RELEASE SAVEPOINT piece")
    return value
