"""`reconciler run` as a process: it starts from the last good state, is the only writer, and ends as it should."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.runtime.gate import Gate
from tests.world import Running, World, until

Breaks = Callable[[World], object]

_BROKEN: dict[str, Breaks] = {
    "a broken tenant": lambda world: world.folder.write_text("acme", "{"),
    "a broken main.yaml": lambda world: world.folder.write_text("main", "accounts: []"),
    "no main.yaml": lambda world: world.folder.remove("main"),
    "no folder": lambda world: shutil.rmtree(world.accounts),
    "a file instead of the folder": lambda world: (shutil.rmtree(world.accounts), world.accounts.write_text("")),
}


def one_account(world: World, **keys: object) -> str:
    """Acme with one inbound account; its address."""
    address = world.fresh("support")
    world.unit("acme", world.account("support", address, **keys))
    return address


def has_fetched(world: World, run: Running, address: str, count: int) -> None:
    """Wait until so many mails of a mailbox are marked seen."""
    run.until(lambda: len(world.seen(address)) == count, f"{count} mails of {address} are seen")


@pytest.mark.parametrize("breaks", _BROKEN.values(), ids=_BROKEN.keys())
@pytest.mark.field("bad start")
def test_a_start_with_a_broken_folder_runs_the_last_good_state(world: World, breaks: Breaks) -> None:
    address = one_account(world)
    world.apply()
    before = {t["tenant"]: t["applied_digest"] for t in world.json("status", check=4)["tenants"]}
    breaks(world)
    world.deliver(address, 1)
    with world.running() as run:
        has_fetched(world, run, address, 1)
        run.until(lambda: run.events("unit.held") or run.events("source.unavailable"), "the trouble is logged")
        status = world.json("status", check=(0, 4))
    assert {t["tenant"]: t["applied_digest"] for t in status["tenants"]} == before


def test_without_events_and_between_polls_sighup_looks_again_at_once(world: World) -> None:
    world.environment |= {"RECONCILER_POLL_SECONDS": "600", "RECONCILER_WATCH_EVENTS": "false"}
    first, added = one_account(world), world.fresh("added")
    world.deliver(first, 1)
    world.deliver(added, 1)
    with world.running() as run:
        run.until(lambda: run.events("unit.applied", unit="acme"), "acme is applied")
        has_fetched(world, run, first, 1)
        world.unit("acme", world.account("support", first), world.account("added", added))
        run.process.send_signal(signal.SIGHUP)
        has_fetched(world, run, added, 1)


def test_with_no_apply_it_follows_what_apply_has_applied(world: World) -> None:
    first = one_account(world)
    assert "reconciler apply" in world.command("run", "--no-apply", check=78).stderr
    world.apply()
    world.unit("acme", world.account("support", first), world.account("added", added := world.fresh("added")))
    world.deliver(added, 1)
    world.deliver(first, 1)
    with world.running("--no-apply") as run:
        has_fetched(world, run, first, 1)
        assert world.seen(added) == []
        world.apply()
        has_fetched(world, run, added, 1)


_ENDS: dict[str, Callable[[Running], None]] = {
    "ctrl-c": lambda run: os.killpg(run.process.pid, signal.SIGINT),
    "SIGTERM": lambda run: run.process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize("end", _ENDS.values(), ids=_ENDS.keys())
@pytest.mark.parametrize("word", [b"BODY.PEEK[]", b"STORE"], ids=["being fetched", "being acknowledged"])
def test_it_ends_cleanly_after_the_mail_in_hand(world: World, word: bytes, end: Callable[[Running], None]) -> None:
    with Gate(world.dovecot.port, word) as gate:
        address = one_account(world, imap={"port": gate.port})
        world.deliver(address, 1)
        with world.running(RECONCILER_LATE_SECONDS="60") as run:
            run.until(gate.is_holding, "the mail is in hand")
            end(run)
            run.until(lambda: run.events("run.ending"), "the end has begun")
            gate.open()
            assert run.process.wait(20) == 0
        assert len(world.seen(address)) == 1
        assert [step["taken"] for step in world.ndjson("fetch") if step["account"] == "support"] == [0]
        assert len(world.json("cases")["cases"]) == 1
        assert world.dovecot.bodies_fetched(address) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_idle_system_ends_at_once_and_leaves_the_lease_free(world: World, number: signal.Signals) -> None:
    one_account(world)
    with world.running() as run:
        run.until(lambda: run.events("unit.applied", unit="acme"), "acme is applied")
        assert run.stop(number) == 0
        assert run.events("run.ended")
        assert run.events("loop.died") == []
    world.apply()


def test_it_ends_although_a_server_hangs(world: World) -> None:
    with Gate(world.dovecot.port, b"LOGIN") as gate:
        one_account(world, imap={"port": gate.port})
        with world.running(RECONCILER_LATE_SECONDS="0.2") as run:
            run.until(gate.is_holding, "the server hangs")
            assert run.stop() == 0


@pytest.mark.field("two at once")
def test_beside_it_other_writers_end_with_75_and_agents_work(world: World) -> None:
    address, customer = one_account(world), world.fresh("customer")
    with world.running() as run:
        run.until(lambda: run.events("unit.applied", unit="acme"), "acme is applied")
        world.customer_writes(f"Customer <{customer}>", address)
        run.until(lambda: run.events("mail.routed"), "the case is open")
        others = {command: world.start(command) for command in ("run", "apply", "fetch", "send")}
        for command, other in others.items():
            _, told = other.communicate(timeout=60)
            assert (other.returncode, f"run (pid {run.process.pid} on " in told) == (75, True), (command, told)
        (case,) = world.json("cases")["cases"]
        world.command("note", case["id"], "--text", "Only for us.")
        world.command("reply", case["id"], "--text", "It is on its way.")
        run.until(lambda: world.mailbox(customer), "the customer has the reply")
        assert "Only for us." in json.dumps(world.json("case", case["id"]))
        assert world.json("status")["accounts"]


def test_after_kill_9_the_next_start_takes_the_lease_at_once(world: World) -> None:
    address = one_account(world)
    with world.running() as run:
        run.until(lambda: run.events("unit.applied", unit="acme"), "acme is applied")
        run.process.kill()
        run.process.wait()
    world.deliver(address, 1)
    with world.running() as run:
        has_fetched(world, run, address, 1)
        assert run.stop() == 0


def test_a_loop_that_dies_ends_the_process_with_1(world: World) -> None:
    address = one_account(world)
    world.apply()
    with world.running() as run:
        write_into_the_store(world, "UPDATE accounts SET status = 'unheard-of'")
        world.unit("acme", world.account("support", address, weight=7))
        until(lambda: run.process.poll() is not None, "it has ended")
        assert run.process.returncode == 1
        assert {died["loop"] for died in run.events("loop.died")} & {"reconcile", "remind"}


@pytest.mark.slow
def test_a_system_that_lost_its_lease_to_another_machine_ends_with_1_and_leaves_it_alone(world: World) -> None:
    one_account(world)
    world.apply()
    with world.running() as run:
        taken = "fence = fence + 1, holder = 'elsewhere', host = 'elsewhere', expires_at = expires_at + 600000000"
        write_into_the_store(world, f"UPDATE leases SET {taken}")
        until(lambda: run.process.poll() is not None, "it has ended", seconds=60)
        assert run.process.returncode == 1
    for command in ("fetch", "apply"):
        assert "elsewhere" in world.command(command, check=75).stderr


def write_into_the_store(world: World, statement: str) -> None:
    """Do what no command does."""
    with closing(sqlite3.connect(world.path / "state.db", timeout=20)) as database, database:
        database.execute(statement)
