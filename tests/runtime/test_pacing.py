"""`bytes_per_day` and `messages_per_second` on a real mailbox: how much is taken, what is told, and that it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.fetch import StepLine
from reconciler.runtime.cycle import Engine
from reconciler.runtime.fleet import read_fleet
from reconciler.runtime.writer import Writer
from tests.world import World, mail

pytestmark = pytest.mark.usefixtures("both_doors")

PAUSED = "Throttled: what bytes_per_day allows was fetched; the other mails wait until "


class Day:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def support(world: World, **keys: Any) -> str:
    address = world.fresh()
    world.unit("acme", world.account("support", address, **keys))
    world.apply()
    return address


def mails(world: World, address: str, *sizes: int) -> None:
    """Put mails of about these sizes into a mailbox."""
    for number, size in enumerate(sizes):
        world.dovecot.deliver(
            address, mail("c@customer.example", address, f"{number}", ("x" * 70 + "\n") * (size // 72))
        )


@contextmanager
def engine(world: World, clock: Day | None = None) -> Iterator[tuple[Engine, list[StepLine]]]:
    """An engine over what is applied, and the lines of the support account's steps."""
    lines: list[StepLine] = []
    with world.house() as house:
        writer = Writer(house.store)
        tools = house.tools(writer)
        made = Engine(
            replace(tools, clock=clock) if clock is not None else tools,
            lambda line: lines.append(line) if line.account == "support" else None,
        )
        with house.store.read() as connection:
            made.set_accounts(read_fleet(connection, house.registry).accounts)
        yield made, lines
        made.close()
        writer.close()


def test_what_a_day_allows_is_taken_and_the_rest_the_next_day(world: World) -> None:
    address, clock = support(world, weight=10, bytes_per_day="100KB"), Day()
    mails(world, address, *[30_000] * 5)
    told: list[tuple[int, str | None]] = []
    for _half_day in range(3):
        for _process in range(2):
            with engine(world, clock) as (one, lines):
                one.run_cycles(2)
            told += [(line.taken, line.error) for line in lines]
        clock.now += timedelta(hours=6)
    paused = PAUSED + "2026-05-02 00:00 UTC"
    assert told == [(3, paused), *[(0, paused)] * 7, (2, None), *[(0, None)] * 3]
    assert world.dovecot.bodies_fetched(address) == 5


def test_a_mail_larger_than_a_day_allows_is_taken_as_the_first_of_one(world: World) -> None:
    address, clock = support(world, weight=10, bytes_per_day=20_000, imap={"after_fetch": "delete"}), Day()
    mails(world, address, 100, 50_000, 50_000, 100)
    taken = []
    with engine(world, clock) as (one, lines):
        one.run_cycles(1)
    taken += [line.taken for line in lines]
    for _ in range(3):
        clock.now += timedelta(days=1)
        with engine(world, clock) as (one, lines):
            one.run_cycles(1)
        taken += [line.taken for line in lines]
    assert taken == [1, 1, 1, 1]
    assert world.mailbox(address) == []


def test_a_drain_leaves_what_waits_for_another_day(world: World) -> None:
    address, clock = support(world, weight=1, bytes_per_day=70_000), Day()
    mails(world, address, *[30_000] * 4)
    with engine(world, clock) as (one, lines):
        one.drain()
    assert [line.taken for line in lines] == [1, 1, 0]
    assert (lines[-1].error, lines[-1].backlog) == (PAUSED + "2026-05-02 00:00 UTC", 2)


def test_a_drain_takes_no_more_in_a_second_than_is_allowed_and_takes_everything(world: World) -> None:
    address = support(world, weight=4, messages_per_second=5)
    mails(world, address, *[100] * 11)
    began = time.monotonic()
    with engine(world) as (one, lines):
        one.drain()
    assert time.monotonic() - began >= (11 - 5) / 5
    assert sum(line.taken for line in lines) == 11
    assert {line.error for line in lines} == {None}
    assert max(line.taken for line in lines) == 4
    assert len(lines) <= 11


def test_a_bounded_account_delays_no_other(world: World) -> None:
    address, neighbour = world.fresh(), world.fresh()
    world.unit("acme", world.account("support", address, bytes_per_day=1), world.account("other", neighbour, weight=1))
    world.apply()
    mails(world, address, 100, 100)
    mails(world, neighbour, *[100] * 5)
    with world.running() as run:
        run.until(lambda: len(world.seen(neighbour)) == 5, "the neighbour's mails are fetched")
        run.until(lambda: world.condition("support") == "Throttled", "the condition is told")
        status = world.account_status("support")
    assert len(world.seen(address)) == 1
    assert status["backlog"] == 1
    assert "bytes_per_day" in status["reason"]
