"""`reconciler fetch`: the lines it prints, what --dry-run leaves alone, and how it ends beside others."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.rig.dovecot import wait_until
from tests.world import World

KEYS = ["cycle", "tenant", "account", "protocol", "taken", "backlog", "seconds", "error"]
PATIENT = {"RECONCILER_LATE_SECONDS": "80", "RECONCILER_STEP_SECONDS": "85"}


def support(world: World, mails: int = 0) -> str:
    """Apply acme with one account, then put mails into its mailbox; its address."""
    address = world.fresh()
    world.unit("acme", world.account("support", address))
    world.apply()
    world.deliver(address, mails)
    return address


def stored(world: World) -> tuple[int, int]:
    """How many mails and folders the store remembers."""
    with closing(sqlite3.connect(world.path / "state.db")) as connection:
        query = "SELECT (SELECT count(*) FROM mails), (SELECT count(*) FROM folders)"
        mails, folders = connection.execute(query).fetchone()
    return mails, folders


def test_a_line_of_ndjson_has_the_keys_of_the_contract_in_their_order(world: World) -> None:
    support(world, mails=4)
    lines = {line["account"]: line for line in world.ndjson("fetch")}
    assert [list(line) for line in lines.values()] == [KEYS] * 3
    assert isinstance(lines["support"].pop("seconds"), float)
    assert lines["support"] == {
        "cycle": 1,
        "tenant": "acme",
        "account": "support",
        "protocol": "imap",
        "taken": 3,
        "backlog": 1,
        "error": None,
    }
    assert lines["main-reply"]["tenant"] is None
    assert lines["main-second-level"]["tenant"] is None


def test_a_failed_step_says_condition_and_reason_and_does_not_know_the_backlog(world: World) -> None:
    support(world)
    world.secret("acme", "support", None)
    [line] = [line for line in world.ndjson("fetch", check=4) if line["account"] == "support"]
    assert (line["taken"], line["backlog"]) == (0, None)
    assert line["error"].startswith("SecretMissing: ")


def test_text_has_a_line_a_step(world: World) -> None:
    support(world, mails=4)
    lines = world.command("fetch", "--drain").stdout.splitlines()
    assert [line.split("  took ")[1].split(",")[0] for line in lines if "acme/support" in line] == ["3", "1"]
    assert sum("main/" in line for line in lines) == 2


@pytest.mark.parametrize("shares", [False, True], ids=["lines into a pipe", "lines on the terminal too"])
def test_a_drain_draws_a_bar_on_a_terminal_and_no_line_is_lost(world: World, shares: bool) -> None:
    support(world, mails=7)
    screen, terminal = pty.openpty()
    words = [sys.executable, "-m", "reconciler", "fetch", "--drain"]
    env = world.environment | {"TERM": "xterm", "COLUMNS": "100"}
    out = terminal if shares else subprocess.PIPE
    with subprocess.Popen(words, env=env, cwd=world.path, stdout=out, stderr=terminal) as process:
        os.close(terminal)
        drawn = b"".join(iter(lambda: _read(screen), b"")).decode()
        piped = process.stdout.read().decode() if process.stdout else ""
    os.close(screen)
    assert process.returncode == 0
    assert "7/7" in drawn
    lines = drawn if shares else piped
    assert [n for n in (3, 1) for _ in range(lines.count(f"acme/support (imap)  took {n}"))] == [3, 3, 1]
    assert shares or "\x1b" not in piped


def _read(screen: int) -> bytes:
    """What a terminal is given; nothing once nobody writes to it any more, which Linux tells by an error."""
    try:
        return os.read(screen, 65536)
    except OSError:
        return b""


def test_into_pipes_a_drain_draws_nothing(world: World) -> None:
    support(world, mails=4)
    done = world.command("fetch", "--drain")
    assert (done.stderr, done.stdout.count("\x1b")) == ("", 0)


def test_a_dry_run_says_what_a_step_would_take_and_takes_nothing(world: World) -> None:
    address = support(world, mails=4)
    lines = {line["account"]: line for line in world.ndjson("fetch", "--dry-run")}
    assert [list(line) for line in lines.values()] == [KEYS] * 3
    assert (lines["support"]["taken"], lines["support"]["backlog"], lines["support"]["cycle"]) == (3, 1, 0)
    assert world.seen(address) == []
    assert world.dovecot.bodies_fetched(address) == 0
    assert stored(world) == (0, 0)


def test_a_dry_run_tells_of_trouble_and_exits_4(world: World) -> None:
    support(world)
    world.secret("acme", "support", "wrong")
    lines = world.ndjson("fetch", "--dry-run", check=4)
    assert [line["account"] for line in lines if line["error"]] == ["support"]


def test_what_was_fetched_is_routed_by_the_same_command(world: World) -> None:
    address = support(world)
    world.customer_writes("A Customer <a@customer.example>", address, "Where is it?")
    world.command("fetch")
    [case] = world.json("cases")["cases"]
    assert (case["subject"], case["tenant"]) == ("Where is it?", "acme")


def test_a_second_fetch_beside_a_running_one_exits_75_and_names_the_holder(world: World) -> None:
    address = support(world, mails=1)
    first = world.start("fetch", RECONCILER_FAULTS="fetched=hang", **PATIENT)
    try:
        wait_until(lambda: world.dovecot.logins(address) > 0, "the first fetch has logged in", 30)
        second = world.command("fetch", check=75)
        assert f"fetch (pid {first.pid} on " in second.stderr
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()
    assert world.seen(address) == []


def test_a_fetch_beside_a_running_system_exits_75_and_names_it(world: World) -> None:
    support(world)
    with world.running() as running:
        assert f"run (pid {running.process.pid} on " in world.command("fetch", check=75).stderr


def test_without_an_applied_state_it_says_what_to_run(world: World) -> None:
    assert "run: reconciler apply" in world.command("fetch", check=78).stderr
    assert not (world.path / "state.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--drain", "--cycles", "2"), id="both"),
        pytest.param(("--cycles", "0"), id="no cycle"),
        pytest.param(("--cycles", "many"), id="no number"),
        pytest.param(("--format", "xml"), id="unknown format"),
    ],
)
def test_wrong_usage_exits_64(world: World, arguments: tuple[str, ...]) -> None:
    assert world.command("fetch", *arguments, check=64).stdout == ""
