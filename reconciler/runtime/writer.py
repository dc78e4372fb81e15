"""The writer thread: takes pieces of work from all loops and commits many of them in one transaction (group commit)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.store.database import Store

T = TypeVar("T")

MOST_JOBS = 200
"""Pieces of work in one transaction at most; enough to make the disk's cost per piece small."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Connection], Any]
    result: Future[Any]


class Writer:
    """Runs pieces of work on the store; a piece's result is given out only once it is durable.

    Pieces share a transaction, each in a savepoint: one that fails is undone alone and gets its own exception.
    If the commit fails every piece of it fails with Unavailable, and nothing of it may be acknowledged to anyone.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
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
                return

    def _take(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        item = self._jobs.get()
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

    def _commit(self, jobs: list[_Job]) -> None:
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with self._store.write() as connection:
                outcomes = [(job, *_attempt(connection, job)) for job in jobs]
        except Exception as error:
            trouble = error if isinstance(error, ReconcilerError) else Unavailable(f"the store did not commit: {error}")
            for job in jobs:
                job.result.set_exception(trouble)
            return
        for job, value, failure in outcomes:
            if failure is None:
                job.result.set_result(value)
            else:
                job.result.set_exception(failure)


def _attempt(connection: Connection, job: _Job) -> tuple[Any, BaseException | None]:
    try:
        with connection.begin_nested():
            return job.work(connection), None
    except Exception as error:
        return None, error
