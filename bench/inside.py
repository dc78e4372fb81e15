"""What desired state costs inside a process that runs: the first look, a plan without a change, one changed file.

`python -m bench.inside ACCOUNTS STATE` prints a line a measured thing: what, seconds, and the limit in seconds if any.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from bench.accounts import tenant_text
from reconciler.cli.compose import registry
from reconciler.core.diff import diff, touched
from reconciler.core.policy import BUILT_IN
from reconciler.core.registry import Registry
from reconciler.core.revision import AppliedState
from reconciler.runtime.clock import utc_now
from reconciler.runtime.cycle import Engine
from reconciler.runtime.desired import Judge
from reconciler.runtime.fleet import read_fleet
from reconciler.runtime.reconcile import ReconcileLoop, Source
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.step import Tools
from reconciler.runtime.writer import Writer
from reconciler.source.files import Folder, Reader
from reconciler.source.secret import SecretStore
from reconciler.source.watch import Watcher
from reconciler.store.applied import read_applied
from reconciler.store.database import Store, open_store
from reconciler.store.lease import Right, take
from reconciler.store.standing import read_impacts

Measured = tuple[str, float, float | None]
_TIMES = 5
_BEAT = 0.001


def measure(accounts: Path, state: Path) -> Iterator[Measured]:
    """Apply the folder to a new state, then look again and again; what is measured, in seconds, and its limit."""
    known, store = registry(), open_store(f"sqlite:///{state}", create=True)
    lease = take(store, Right.APPLY, "bench", utc_now(), lasting=timedelta(hours=2))
    engine = _Fetching(store, known)
    source = Source(Folder(accounts), store, known, lease, lambda _unit, _name: True, utc_now, timedelta(seconds=1))
    loop = ReconcileLoop(source, Watcher(None, 60.0), engine.refresh)
    yield "first look of `run`: read, judged and applied to an empty state", _seconds(loop.look), None
    # As `run` does after its first look.
    gc.collect()
    gc.freeze()
    yield "swap of all accounts in the fetch loop, first", engine.swap(), 0.05
    yield from _plan(accounts, store, known)
    yield "look without a change", min(_seconds(loop.look) for _ in range(_TIMES)), None
    looks, swaps, pauses = [], [], []
    for weight in range(7, 7 + _TIMES):
        (accounts / "tenant-00001.yaml").write_text(tenant_text(1, weight=weight))
        with _heartbeat() as heart:
            looks.append(_seconds(loop.look))
        assert engine.weight("tenant-00001") == weight, "the change is not live"
        swaps.append(engine.swap())
        pauses.append(heart.longest)
    yield "one changed file is live: read, judged, applied, handed to the fetch loop", max(looks), 1.0
    yield "swap of the accounts in the fetch loop after it", max(swaps), 0.05
    yield "longest pause of another thread meanwhile", max(pauses), 0.05
    store.close()


def _plan(accounts: Path, store: Store, known: Registry) -> Iterator[Measured]:
    """The plan of what is applied already."""
    reading = Judge(known).judge(
        str(accounts), Reader().read(Folder(accounts).listed()), _applied(store, known), BUILT_IN
    )

    def plan() -> None:
        applied = _applied(store, known)
        with store.read() as connection:
            impacts = read_impacts(connection, touched(reading.desired, applied))
        assert not diff(reading.desired, applied, impacts, has_secret=lambda _unit, _name: True).tenants

    yield "plan with nothing changed, after loading the files", min(_seconds(plan) for _ in range(_TIMES)), 1.0


class _Fetching:
    """The fetch engine with what it is given when a revision is applied; it connects nowhere."""

    def __init__(self, store: Store, known: Registry) -> None:
        self._store, self._registry = store, known
        tools = Tools(store, Writer(store), {}, SecretStore(None, {}), RunSettings(), utc_now)
        self._engine = Engine(tools, lambda _line: None)
        self._weights: dict[str, int] = {}

    def refresh(self, state: AppliedState) -> None:
        """As `run` does it: find the accounts to fetch and hand them over."""
        with self._store.read() as connection:
            fleet = read_fleet(connection, self._registry, state)
        self._engine.set_accounts(fleet.accounts)
        self._weights = {account.unit: account.account.weight for account in fleet.accounts.values()}

    def weight(self, unit: str) -> int:
        """The weight that the engine was given for a tenant's account."""
        return self._weights[unit]

    def swap(self) -> float:
        """Have the engine take the accounts that it was given, and no cycle; seconds."""
        return _seconds(lambda: self._engine.run_cycles(0))


@dataclass
class _Heart:
    """The longest time, in seconds, between two beats of a thread that wakes every millisecond, less that one."""

    longest: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def beat(self) -> None:
        """Beat until it is stopped."""
        last = time.perf_counter()
        while not self.stop.wait(_BEAT):
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last - _BEAT), now


@contextmanager
def _heartbeat() -> Iterator[_Heart]:
    heart = _Heart()
    thread = threading.Thread(target=heart.beat)
    thread.start()
    try:
        yield heart
    finally:
        heart.stop.set()
        thread.join()


def _applied(store: Store, known: Registry) -> AppliedState:
    with store.read() as connection:
        return read_applied(connection, known)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print what is measured, as it is measured."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for what, seconds, limit in measure(Path(sys.argv[1]), Path(sys.argv[2])):
        print(f"{what}\t{seconds}\t{limit or ''}", flush=True)


if __name__ == "__main__":
    main()
