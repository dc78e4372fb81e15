"""The fast door at a real server that lets only so many connections be open: what it learns from being refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.rig.limited_proxy import LimitedProxy
from tests.world import Running, World, until

ACCOUNTS = 6
LIMIT = 3
WORDS = "* BYE Too many connections from your IP address. Suggested Backoff Time: 200 milliseconds"


def apply(world: World, port: int) -> list[str]:
    """Acme with accounts behind this port that look often; their mailboxes."""
    addresses = [world.fresh() for _ in range(ACCOUNTS)]
    world.unit("acme", *(world.account(f"a{n}", address, imap={"port": port}) for n, address in enumerate(addresses)))
    world.apply()
    return addresses


def stored(world: World) -> int:
    with closing(sqlite3.connect(world.path / "state.db")) as store:
        return int(store.execute("SELECT count(*) FROM mails").fetchone()[0])


def all_stored(world: World, run: Running, mails: int) -> None:
    run.until(lambda: stored(world) == mails, f"{mails} mails are stored", 60)


def test_behind_a_limit_every_account_gets_its_mail_and_the_refusals_end(world: World) -> None:
    with LimitedProxy(world.dovecot.port, LIMIT, WORDS) as proxy:
        addresses = apply(world, proxy.port)
        for address in addresses:
            world.deliver(address, 2)
        with world.running() as run:
            all_stored(world, run, 2 * ACCOUNTS)
            refusals = proxy.refusals
            assert refusals > 0
            for address in addresses:
                world.deliver(address, 1, subject="later")
            all_stored(world, run, 3 * ACCOUNTS)
            assert proxy.refusals == refusals
            assert {world.condition(f"a{n}") for n in range(ACCOUNTS)} == {"Ok"}
        assert proxy.most_open == LIMIT


@pytest.mark.parametrize("words", ["* BYE Too many connections", "* BYE [INUSE] Mailbox in use"])
def test_a_server_that_refuses_every_connection_delays_no_other_server(world: World, words: str) -> None:
    with LimitedProxy(world.dovecot.port, 0, words) as proxy:
        apply(world, proxy.port)
        neighbour = world.fresh()
        world.unit("globex", world.account("support", neighbour))
        world.apply()
        world.deliver(neighbour, 3)
        with world.running() as run:
            all_stored(world, run, 3)
            until(lambda: proxy.refusals == ACCOUNTS, "each account was refused")
            until(lambda: world.condition("a0") == "Throttled", "the condition is written")
            world.deliver(neighbour, 3, subject="later")
            all_stored(world, run, 6)
            assert proxy.refusals == ACCOUNTS
