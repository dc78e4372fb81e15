"""Cycles over real mailboxes: each account gets its weight, and nobody waits for a stranger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.rig.scripted import SILENT, Script, ScriptedServer, greets
from tests.world import World

pytestmark = pytest.mark.usefixtures("both_doors")

WEIGHTS = {"one": 1, "three": 3, "five": 5}
STEPS = {"one": 10, "three": 4, "five": 2}
HUNG_SECONDS = 24.0
PATIENT = {f"RECONCILER_{name}_SECONDS": f"{HUNG_SECONDS:g}" for name in ("CONNECT", "COMMAND", "STEP")}
SAYS_NO_MORE_AFTER_LOGIN = Script(
    b"* OK ready\r\n",
    [("CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n"), ("LOGIN", b"{tag} OK done\r\n")],
)


def weighted(world: World, *others: dict[str, Any]) -> dict[str, str]:
    """Apply acme with an account of each weight, each with ten mails; their addresses by id."""
    addresses = {account: world.fresh(account) for account in WEIGHTS}
    accounts = [world.account(a, addresses[a], weight=weight) for a, weight in WEIGHTS.items()]
    world.unit("acme", *others, *accounts)
    world.apply()
    for address in addresses.values():
        world.deliver(address, 10)
    return addresses


def hung(world: World, server: ScriptedServer) -> dict[str, Any]:
    """An account on a scripted server."""
    return world.account("hung", world.fresh("hung"), imap={"host": server.host, "port": server.port})


def steps_of(lines: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many steps took something, by account."""
    taken = [line["account"] for line in lines if line["taken"]]
    return {account: taken.count(account) for account in sorted(set(taken))}


def test_a_cycle_takes_from_each_account_as_many_mails_as_its_weight(world: World) -> None:
    addresses = weighted(world)
    world.ndjson("fetch", "--cycles", "1")
    assert {a: len(world.seen(addresses[a])) for a in WEIGHTS} == WEIGHTS
    assert {a: world.dovecot.bodies_fetched(addresses[a]) for a in WEIGHTS} == WEIGHTS


def test_a_backlog_takes_as_many_steps_as_backlog_by_weight_rounded_up(world: World) -> None:
    addresses = weighted(world)
    lines = world.ndjson("fetch", "--drain")
    assert steps_of(lines) == STEPS
    assert [line["backlog"] for line in lines if line["account"] == "three"] == [7, 4, 1, 0]
    assert {a: len(world.seen(addresses[a])) for a in WEIGHTS} == dict.fromkeys(WEIGHTS, 10)
    assert {a: world.dovecot.bodies_fetched(addresses[a]) for a in WEIGHTS} == dict.fromkeys(WEIGHTS, 10)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(SILENT, id="at the greeting"),
        pytest.param(greets("* OK ready"), id="before login"),
        pytest.param(SAYS_NO_MORE_AFTER_LOGIN, id="after login"),
    ],
)
def test_a_hung_account_delays_no_other_and_is_named(world: World, script: Script) -> None:
    with ScriptedServer(script) as server:
        addresses = weighted(world, hung(world, server))
        began = time.monotonic()
        lines = world.ndjson("fetch", "--drain", check=4, **PATIENT)
        assert time.monotonic() - began < HUNG_SECONDS
        assert server.connections == 1
    assert steps_of(lines) == STEPS
    assert {a: len(world.seen(addresses[a])) for a in WEIGHTS} == dict.fromkeys(WEIGHTS, 10)
    [(account, error)] = [(line["account"], line["error"]) for line in lines if line["error"]]
    assert account == "hung"
    assert error.startswith("Late: no answer for ")
    assert world.condition("hung") == "Late"


def test_more_hung_accounts_than_slots_delay_no_other(world: World) -> None:
    address = world.fresh("well")
    with ScriptedServer(SILENT) as server:
        stuck = [world.account(f"hung{n}", world.fresh("hung")) for n in range(3)]
        for one in stuck:
            one["imap"] |= {"host": server.host, "port": server.port}
        world.unit("acme", *stuck, world.account("well", address))
        world.apply()
        world.deliver(address, 4)
        lines = world.ndjson("fetch", "--drain", check=4, RECONCILER_SLOTS="2", **PATIENT)
    assert sorted(line["account"] for line in lines if line["error"]) == ["hung0", "hung1", "hung2"]
    assert len(world.seen(address)) == 4


def test_exactly_as_many_cycles_as_asked_are_run_whatever_waits(world: World) -> None:
    address = world.fresh()
    world.unit("acme", world.account("support", address, weight=2))
    world.apply()
    world.deliver(address, 5)
    lines = world.steps(2)
    assert [(s.cycle, s.taken, s.backlog) for s in lines if s.account == "support"] == [(1, 2, 3), (2, 2, 1)]
    assert len(world.seen(address)) == 4


def test_an_empty_mailbox_beside_a_full_one_gets_one_step_while_the_full_one_is_drained(world: World) -> None:
    full, empty = world.fresh("full"), world.fresh("empty")
    world.unit("acme", world.account("full", full, weight=1), world.account("empty", empty))
    world.apply()
    world.deliver(full, 3)
    lines = world.steps(None)
    assert [s.cycle for s in lines if s.account == "empty"] == [1]
    assert [s.cycle for s in lines if s.account == "full"] == [1, 2, 3]


def test_a_disabled_account_is_not_fetched(world: World) -> None:
    address = world.fresh()
    world.unit("acme", world.account("support", address, enabled=False))
    world.apply()
    world.deliver(address, 1)
    assert {s.account for s in world.steps(None)} == {"main-reply", "main-second-level"}
    assert world.dovecot.logins(address) == 0


def test_a_running_system_keeps_one_connection_and_fetches_what_comes_later(world: World) -> None:
    address = world.fresh()
    world.unit("acme", world.account("support", address))
    world.apply()
    with world.running() as running:
        world.deliver(address, 1)
        running.until(lambda: len(world.seen(address)) == 1, "the first mail is fetched")
        world.deliver(address, 1)
        running.until(lambda: len(world.seen(address)) == 2, "the second mail is fetched")
        assert world.dovecot.logins(address) == 1


def test_a_running_system_comes_back_after_its_connections_were_cut(world: World) -> None:
    address = world.fresh()
    world.unit("acme", world.account("support", address))
    world.apply()
    with world.running() as running:
        world.deliver(address, 1)
        running.until(lambda: len(world.seen(address)) == 1, "the first mail is fetched")
        world.dovecot.kill_sessions(address)
        world.deliver(address, 1)
        running.until(lambda: len(world.seen(address)) == 2, "the second mail is fetched")
