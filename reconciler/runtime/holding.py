"""Holds a writer lease for as long as a command works: taken, renewed in a thread, given back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from reconciler.core.errors import ReconcilerError
from reconciler.core.heartbeat import Loop
from reconciler.runtime.clock import utc_now
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.store.database import Store
from reconciler.store.lease import Lease, Right, take

log = structlog.get_logger()

RENEW_SECONDS = 10.0
"""A third of a lease's life: two renewals may fail before anybody else can take it."""


@contextmanager
def holding(
    store: Store, right: Right, holder: str, on_lost: Callable[[], None], observer: Observer = UNOBSERVED
) -> Iterator[Lease]:
    """Take the lease and keep it; `on_lost` is called once, from another thread, if it cannot be renewed any more.

    Raises Unavailable, naming the holder, while another process has it.
    """
    lease = take(store, right, holder, utc_now())
    ended = threading.Event()
    keep = (lease, ended, on_lost, observer)
    thread = threading.Thread(target=_keep, args=keep, name=f"lease {right.value}", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join()
        lease.release()


def _keep(lease: Lease, ended: threading.Event, on_lost: Callable[[], None], observer: Observer) -> None:
    failures, loop = 0, Loop.LEASE_MAIL if lease.right is Right.MAIL else Loop.LEASE_APPLY
    observer.beat(loop)
    while not ended.wait(RENEW_SECONDS):
        observer.beat(loop)
        try:
            lease.renew(utc_now())
            failures = 0
        except ReconcilerError as error:
            failures += 1
            log.error("lease.not_renewed", right=lease.right.value, reason=str(error))
            if failures == 2:
                observer.ended(loop)
                on_lost()
                return
    observer.ended(loop)
