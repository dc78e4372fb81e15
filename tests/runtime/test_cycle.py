"""Cycles over real mailboxes: each account gets its weight, and nobody waits for a stranger."""

from __future__ import annotations

import time

from tests.rig.scripted import SILENT, ScriptedServer
from tests.world import World

WEIGHTS = {"one": 1, "three": 3, "five": 5}


def weighted(world: World, *others: dict[str, object], mails: int = 10) -> dict[str, str]:
    """Apply acme with an account per weight, each with `mails` mails; account ids and their addresses."""
    addresses = {account: world.fresh(account) for account in WEIGHTS}
    accounts = [world.account(a, addresses[a], weight=weight) for a, weight in WEIGHTS.items()]
    world.unit("acme", *accounts, *others)
    world.apply()
    for address in addresses.values():
        world.deliver(address, mails)
    return addresses


def steps(lines: list[dict[str, object]], account: str) -> list[object]:
    """How many mails each step of the account took, in order, without those that found nothing."""
    return [line["taken"] for line in lines if line["account"] == account and line["taken"]]


def test_a_cycle_takes_from_each_account_as_many_mails_as_its_weight(world: World) -> None:
    addresses = weighted(world)
    world.ndjson("fetch", "--cycles", "1")
    assert {a: len(world.seen(addresses[a])) for a in WEIGHTS} == WEIGHTS
    assert {a: world.dovecot.bodies_fetched(addresses[a]) for a in WEIGHTS} == WEIGHTS
