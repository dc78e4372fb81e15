"""Fetching is killed at every step on the way of a mail; it is run again, and the end is the same."""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from tests.world import World

MAILS = 8
WEIGHT = 3
STORED_FIRST = ["stored=kill", "stored#2=kill", "stored#3=kill", "acknowledged=kill", "acknowledged#2=kill"]
KEYS: dict[str, dict[str, Any]] = {
    "seen": {"after_fetch": "seen"},
    "delete": {"after_fetch": "delete"},
    "move": {"after_fetch": "move", "move_to": "Done"},
}


def stage(world: World, **imap: Any) -> str:
    """Apply acme with one account and put mails into its mailbox; its address."""
    address = world.fresh()
    world.unit("acme", world.account("support", address, weight=WEIGHT, imap=imap))
    world.apply()
    world.dovecot.create_folder(address, "Done")
    world.deliver(address, MAILS)
    return address


def killed(world: World, fault: str) -> None:
    """Fetch with a fault that kills the process."""
    done = world.command("fetch", "--drain", check=None, RECONCILER_FAULTS=fault)
    assert done.returncode == -signal.SIGKILL, done.stderr


def stored(world: World) -> Counter[str]:
    """How often each mail lies in the store, by UID; every one with its bytes."""
    query = "SELECT uid FROM mails JOIN raw_mails ON mail_id = mails.id WHERE length(data) > 0"
    with closing(sqlite3.connect(world.path / "state.db")) as connection:
        rows = connection.execute(query).fetchall()
    return Counter(uid for (uid,) in rows)


EACH_ONCE = Counter({str(number): 1 for number in range(1, MAILS + 1)})


@pytest.mark.parametrize("fault", STORED_FIRST)
def test_after_a_kill_once_stored_every_mail_is_stored_told_and_fetched_exactly_once(world: World, fault: str) -> None:
    address = stage(world)
    killed(world, fault)
    assert stored(world).total() < MAILS or fault == "stored#3=kill"
    world.command("fetch", "--drain")
    assert stored(world) == EACH_ONCE
    assert len(world.seen(address)) == MAILS
    assert world.dovecot.bodies_fetched(address) == MAILS
    assert len(world.json("cases")["cases"]) == MAILS


@pytest.mark.parametrize("fault", ["fetched=kill", "fetched#2=kill"])
def test_after_a_kill_before_storing_only_the_mails_in_hand_are_fetched_again(world: World, fault: str) -> None:
    address = stage(world)
    killed(world, fault)
    assert len(world.seen(address)) == stored(world).total()
    world.command("fetch", "--drain")
    assert stored(world) == EACH_ONCE
    assert len(world.seen(address)) == MAILS
    assert world.dovecot.bodies_fetched(address) == MAILS + WEIGHT


@pytest.mark.parametrize("fault", ["stored=kill", "acknowledged=kill"])
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_whatever_the_server_is_to_be_told_it_is_told_after_a_kill(
    world: World, keys: dict[str, Any], fault: str
) -> None:
    address = stage(world, **keys)
    killed(world, fault)
    assert world.steps(None)[-1].error is None
    assert stored(world) == EACH_ONCE
    seen, moved = len(world.seen(address)), len(world.mailbox(address, "Done"))
    assert (seen, moved) == {"seen": (MAILS, 0), "delete": (0, 0), "move": (0, MAILS)}[keys["after_fetch"]]
    assert len(world.mailbox(address)) == seen
    assert world.dovecot.bodies_fetched(address) == MAILS


def test_a_mail_stored_before_a_kill_and_removed_by_another_client_since_is_no_trouble(world: World) -> None:
    address = stage(world, **KEYS["delete"])
    killed(world, "stored=kill")
    world.dovecot.expunge(address, [1])
    world.steps(None)
    assert stored(world) == EACH_ONCE
    assert world.mailbox(address) == []


def test_a_lease_left_by_a_killed_fetch_stops_nobody(world: World) -> None:
    stage(world)
    killed(world, "stored=kill")
    assert world.command("fetch").stderr == ""
