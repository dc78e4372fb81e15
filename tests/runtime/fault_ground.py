"""An engine in this process over accounts in trouble and neighbours that are well: what it told, what came of it."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from reconciler.core.fetch import StepLine
from reconciler.runtime.clock import steady_now
from reconciler.runtime.cycle import Engine
from reconciler.runtime.fleet import read_fleet
from reconciler.runtime.supervisor import House
from reconciler.runtime.writer import Writer
from reconciler.store.tables import accounts, mails
from tests.rig.dovecot import Dovecot
from tests.world import World, mail, until


@dataclass(frozen=True)
class Told:
    """A step that has ended: when it began and ended (monotonic seconds), and what was told of it."""

    began: float
    ended: float
    line: StepLine


@dataclass(frozen=True)
class Stored:
    """What the ledger holds of an account: mails, different ones among them, and those the server was told of."""

    mails: int
    different: int
    acknowledged: int


class Watched:
    """A fetching engine, what its steps told, and a clock of its schedule that can be put forward."""

    def __init__(self, house: House, patch: pytest.MonkeyPatch) -> None:
        self._house, self._told, self._ahead = house, list[Told](), timedelta()
        patch.setattr("reconciler.runtime.cycle.steady_now", self._now)
        self._writer = Writer(house.store)
        self._engine = Engine(house.tools(self._writer), self._heard)
        with house.store.read() as connection:
            self._engine.set_accounts(read_fleet(connection, house.registry).accounts)
        self._thread = threading.Thread(target=self._engine.run, name="engine")
        self._thread.start()

    def close(self) -> None:
        """End the engine."""
        self._engine.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self._engine.close()
        self._writer.close()

    def pass_time(self, seconds: float) -> None:
        """Let everything be due that would be in so many seconds."""
        self._ahead += timedelta(seconds=seconds)

    def steps(self, *names: str) -> list[Told]:
        """The steps of these accounts that have ended, in that order."""
        return [one for one in list(self._told) if one.line.account in names]

    def conditions(self, name: str) -> set[str]:
        """What the account's steps told so far, without reasons."""
        return {(one.line.error or "Ok").partition(":")[0] for one in self.steps(name)}

    def stored(self) -> Mapping[str, Stored]:
        """What the ledger holds, by account."""
        query = select(accounts.c.id, mails.c.sha256, mails.c.acknowledged_at).join(mails)
        with self._house.store.read() as connection:
            rows = connection.execute(query).all()
        found = {}
        for name, of_name in itertools.groupby(sorted(rows), key=lambda row: row[0]):
            mine = list(of_name)
            different, acknowledged = len({row[1] for row in mine}), sum(row[2] is not None for row in mine)
            found[name] = Stored(len(mine), different, acknowledged)
        return found

    def _now(self) -> datetime:
        return steady_now() + self._ahead

    def _heard(self, line: StepLine) -> None:
        now = time.monotonic()
        self._told.append(Told(now - line.seconds, now, line))


@contextmanager
def watched(world: World, **settings: float) -> Iterator[Watched]:
    """The engine over what is applied."""
    with pytest.MonkeyPatch.context() as patch, world.house(**settings) as house:
        engine = Watched(house, patch)
        try:
            yield engine
        finally:
            engine.close()


def deliver(dovecot: Dovecot, addresses: Collection[str], count: int, what: str) -> None:
    """Put so many mails into each of these mailboxes."""
    for address in addresses:
        with dovecot.client(address) as client:
            for number in range(count):
                client.append("INBOX", mail("c@customer.example", address, f"{what} {number}"))


@contextmanager
def customers(dovecot: Dovecot, addresses: Collection[str]) -> Iterator[Counter[str]]:
    """Somebody writes to each of these addresses all the time; how many mails each got."""
    written, is_over = Counter[str](), threading.Event()
    clients = {address: dovecot.client(address) for address in addresses}

    def write() -> None:
        while not is_over.wait(0.1):
            for address, client in clients.items():
                client.append("INBOX", mail("c@customer.example", address, f"later {written[address]}"))
                written[address] += 1

    thread = threading.Thread(target=write, name="customers")
    thread.start()
    try:
        yield written
    finally:
        is_over.set()
        thread.join()
        for client in clients.values():
            client.logout()


def wait_for_each(names: Collection[str], fact: Callable[[str], object], seconds: float = 30.0) -> None:
    """Wait until the fact holds for each name, or for so long: which it does not is each name's own test to say."""
    left = set(names)

    def is_over() -> bool:
        left.difference_update([name for name in left if fact(name)])
        return not left or time.monotonic() > end

    end = time.monotonic() + seconds
    until(is_over, "each had its turn", seconds + 10)
