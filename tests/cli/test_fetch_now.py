"""`reconciler fetch --now`: the running system gives a step at once, to whom it is asked for, and says how it went."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import pytest

from tests.runtime.gate import Gate
from tests.world import Running, World

IMPATIENT = {"RECONCILER_NOW_SECONDS": "1"}


def resting(world: World, *names: str) -> list[str]:
    """Apply acme with these accounts, each of which rests for an hour between steps; their addresses."""
    addresses = [world.fresh(name) for name in names]
    accounts = [world.account(n, a, poll="1h", imap=NO_IDLE) for n, a in zip(names, addresses, strict=True)]
    world.unit("acme", *accounts)
    world.apply()
    return addresses


# Two folders: such an account is not told of new mail by its server, so that only `poll` or `--now` gives it a step.
NO_IDLE = {"folders": ["INBOX", "Other"]}


def has_rested(world: World, run: Running, *names: str) -> None:
    """Wait until each account has had its first step, and rests."""
    run.until(
        lambda: all(world.account_status(name)["condition"] != "Unknown" for name in names), "all had their first step"
    )


def requests_left(world: World) -> int:
    """How many rows nobody took away."""
    with closing(sqlite3.connect(world.path / "state.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM fetch_requests").fetchone()[0])


@pytest.fixture
def two(world: World) -> list[str]:
    """The mailboxes of acme/a and acme/b."""
    for_both = resting(world, "a", "b")
    for address in for_both:
        world.dovecot.create_folder(address, "Other")
    return for_both


@pytest.mark.usefixtures("both_doors")
def test_the_accounts_asked_for_have_a_step_at_once_and_no_others(world: World, two: list[str]) -> None:
    a, b = two
    with world.running() as run:
        has_rested(world, run, "a", "b")
        world.deliver(a, 4)
        world.deliver(b, 1)
        [line] = world.ndjson("fetch", "--now", "acme/a")
        assert (line["tenant"], line["account"], line["taken"], line["error"]) == ("acme", "a", 3, None)
        assert line["cycle"] > 0
        assert len(world.seen(b)) == 0
        told = world.command("fetch", "--now", "acme").stdout.splitlines()
        assert sorted(text.split("  ")[1] for text in told) == ["acme/a (imap)", "acme/b (imap)"]
        assert len(world.seen(b)) == 1
        assert run.events("fetch.asked", requests=2)
        lines = world.ndjson("fetch", "--now")
        assert sorted(x["account"] for x in lines) == ["a", "b", "main-reply", "main-second-level"]
        assert {x["taken"] for x in lines} == {0}
    assert requests_left(world) == 0


def test_an_account_in_back_off_is_tried_at_once_and_exits_4_while_it_is_in_trouble(
    world: World, two: list[str]
) -> None:
    world.secret("acme", "b", None)
    with world.running() as run:
        has_rested(world, run, "a", "b")
        lines = {x["account"]: x for x in world.ndjson("fetch", "--now", "acme", check=4)}
        assert lines["a"]["error"] is None
        assert lines["b"]["error"].startswith("SecretMissing: ")
        world.secret("acme", "b", world.dovecot.password)
        world.deliver(two[1], 1)
        [line] = world.ndjson("fetch", "--now", "acme/b")
        assert (line["taken"], line["error"]) == (1, None)
        assert world.condition("b") == "Ok"


def test_a_step_that_began_before_does_not_count(world: World) -> None:
    address = world.fresh("a")
    world.dovecot.create_folder(address, "Other")
    with Gate(world.dovecot.port, b"STORE") as gate:
        world.unit("acme", world.account("a", address, poll="1h", imap=NO_IDLE | {"port": gate.port}))
        world.apply()
        world.deliver(address, 1)
        with world.running(RECONCILER_LATE_SECONDS="0.2") as run:
            run.until(gate.is_holding, "a step is in hand")
            world.deliver(address, 1, subject="Later")
            asking = world.start("fetch", "--now", "acme/a", "--format", "ndjson")
            run.until(lambda: run.events("fetch.asked"), "the request was taken up")
            assert asking.poll() is None
            gate.open()
            out, _ = asking.communicate(timeout=60)
            assert (asking.returncode, '"taken": 1' in out) == (0, True)
            assert len(world.seen(address)) == 2


def test_two_who_ask_for_the_same_are_both_answered(world: World, two: list[str]) -> None:
    with world.running() as run:
        has_rested(world, run, "a")
        both = [world.start("fetch", "--now", "acme/a", "--format", "ndjson") for _ in range(2)]
        for one in both:
            out, err = one.communicate(timeout=60)
            assert (one.returncode, out.count('"account": "a"')) == (0, 1), err


def test_a_request_whose_asker_was_killed_is_served_and_harms_nobody(world: World, two: list[str]) -> None:
    with world.running(RECONCILER_LATE_SECONDS="0.2") as run:
        has_rested(world, run, "a")
        run.process.send_signal(signal.SIGSTOP)
        asking = world.start("fetch", "--now", "acme/a")
        run.until(lambda: requests_left(world) == 1, "it is asked for")
        asking.kill()
        asking.communicate()
        world.deliver(two[0], 1)
        run.process.send_signal(signal.SIGCONT)
        run.until(lambda: len(world.seen(two[0])) == 1, "the request is served")
        assert [x["taken"] for x in world.ndjson("fetch", "--now", "acme/a")] == [0]


def test_without_a_running_system_it_says_what_to_do(world: World, two: list[str]) -> None:
    done = world.command("fetch", "--now", check=75)
    assert "no `reconciler run` is at work on this state; fetch by yourself: reconciler fetch" in done.stderr
    assert requests_left(world) == 0


def test_a_running_system_that_takes_nothing_up_is_named_after_a_while(world: World, two: list[str]) -> None:
    with world.running() as run:
        has_rested(world, run, "a")
        run.process.send_signal(signal.SIGSTOP)
        done = world.command("fetch", "--now", "acme/a", check=75, **IMPATIENT)
        run.process.send_signal(signal.SIGCONT)
        assert f"run (pid {run.process.pid} on " in done.stderr
        assert "did not take it up within 1 s" in done.stderr
        assert requests_left(world) == 0


def test_a_running_system_that_ends_meanwhile_ends_the_wait(world: World) -> None:
    address = world.fresh("a")
    with Gate(world.dovecot.port, b"LOGIN") as gate:
        world.unit("acme", world.account("a", address, imap={"port": gate.port}))
        world.apply()
        with world.running(RECONCILER_LATE_SECONDS="0.2") as run:
            run.until(gate.is_holding, "its server hangs")
            asking = world.start("fetch", "--now", "acme/a")
            run.until(lambda: run.events("fetch.asked"), "the request was taken up")
            run.process.kill()
            _, err = asking.communicate(timeout=60)
            assert (asking.returncode, "is at work on this state" in err) == (75, True)


def test_what_is_not_fetched_is_said_and_exits_4(world: World) -> None:
    rests, off = world.account("rests", world.fresh("a")), world.account("off", world.fresh("b"), enabled=False)
    world.unit("acme", rests, off)
    world.apply()
    world.command("suspend", "fetching", "acme/rests", "--reason", "the server moves")
    with world.running() as run:
        run.until(lambda: run.events("suspension.in_force"), "the run knows")
        done = world.command("fetch", "--now", "acme/rests", "acme/off", "--format", "ndjson", check=4)
        assert done.stdout.count('"NotFetched: ') == 2
        assert "fetching of acme/rests is suspended until" in done.stderr
        # A whole tenant leaves out what is not fetched, as a cycle does.
        assert world.command("fetch", "--now", "acme").stdout == ""


def test_an_account_that_is_suspended_while_somebody_waits_for_it_is_told_as_not_fetched(world: World) -> None:
    address = world.fresh("a")
    with Gate(world.dovecot.port, b"LOGIN") as gate:
        world.unit("acme", world.account("a", address, imap={"port": gate.port}))
        world.apply()
        with world.running(RECONCILER_LATE_SECONDS="0.2") as run:
            run.until(gate.is_holding, "a step is in hand")
            asking = world.start("fetch", "--now", "acme/a", "--format", "ndjson")
            run.until(lambda: run.events("fetch.asked"), "the request was taken up")
            world.command("suspend", "fetching", "acme/a", "--reason", "the server moves")
            out, err = asking.communicate(timeout=60)
            assert (asking.returncode, '"NotFetched: ' in out) == (4, True), err


def test_a_name_that_nothing_has_exits_1(world: World, two: list[str]) -> None:
    with world.running():
        assert "no account acme/nobody is applied" in world.command("fetch", "--now", "acme/nobody", check=1).stderr


@pytest.mark.parametrize("more", [("--drain",), ("--cycles", "1"), ("--dry-run",)], ids=" ".join)
def test_with_another_way_of_fetching_it_is_wrong_usage(world: World, more: tuple[str, ...]) -> None:
    assert "--now" in world.command("fetch", "--now", *more, check=64).stderr


def test_a_target_without_it_is_wrong_usage(world: World) -> None:
    assert "--now" in world.command("fetch", "acme/a", check=64).stderr
