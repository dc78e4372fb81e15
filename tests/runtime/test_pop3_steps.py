"""Steps on a POP3 mailbox through the engine: what they take, what they leave, and that nothing is fetched twice."""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from reconciler.core.fetch import StepLine
from tests.rig.scripted import CLOSE, Script, ScriptedServer
from tests.world import World

MAILS = 7
OK = b"+OK\r\n"


def over_pop3(world: World, address: str, *, weight: int = 3, **pop3: Any) -> None:
    """Apply acme with one account that reads this mailbox over POP3; each server has a secret of its own."""
    account = world.account("support", address, weight=weight)
    secret = f"pop3-{pop3.get('port', 0)}"
    world.secret("acme", secret, world.dovecot.password)
    account["imap"]["password"] = {"secret": secret}
    block = {key: account["imap"][key] for key in ("host", "security", "username", "password", "start")}
    del account["imap"]
    account |= {"protocol": "pop3", "pop3": {**block, "port": world.dovecot.pop3_port, **pop3}}
    world.unit("acme", account)
    world.apply()


def support(lines: Sequence[StepLine]) -> list[StepLine]:
    return [line for line in lines if line.account == "support"]


def subjects(world: World, address: str) -> list[str]:
    return [str(mail["Subject"]) for mail in world.mailbox(address)]


def stored(world: World) -> Counter[bytes]:
    """How often each mail lies in the store, by UIDL; every one with its bytes."""
    with closing(sqlite3.connect(world.path / "state.db")) as connection:
        rows = connection.execute(
            "SELECT uid FROM mails JOIN raw_mails ON raw_mails.mail_id = mails.id WHERE length(raw_mails.data) > 0"
        ).fetchall()
    return Counter(uid for (uid,) in rows)


def unacknowledged(world: World) -> int:
    with closing(sqlite3.connect(world.path / "state.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM mails WHERE acknowledged_at IS NULL").fetchone()[0])


@pytest.mark.parametrize("after_fetch", ["keep", "delete"])
@pytest.mark.parametrize("weight", [1, 3, 5])
def test_a_backlog_takes_its_steps_over_one_login(world: World, weight: int, after_fetch: str) -> None:
    address = world.fresh()
    world.deliver(address, MAILS)
    over_pop3(world, address, weight=weight, after_fetch=after_fetch)
    steps = support(world.steps(None))
    assert [line.error for line in steps] == [None] * -(-MAILS // weight)
    assert [line.taken for line in steps] == [weight] * (MAILS // weight) + [MAILS % weight] * bool(MAILS % weight)
    assert steps[-1].backlog == 0
    assert world.dovecot.bodies_retrieved(address) == MAILS
    assert world.dovecot.pop3_logins(address) == 1
    assert len(subjects(world, address)) == (MAILS if after_fetch == "keep" else 0)
    assert (stored(world).total(), unacknowledged(world)) == (MAILS, 0)


@pytest.mark.parametrize("after_fetch", ["keep", "delete"])
def test_later_mail_comes_with_the_next_session_and_nothing_is_fetched_again(world: World, after_fetch: str) -> None:
    address = world.fresh()
    over_pop3(world, address, after_fetch=after_fetch)
    for number in (1, 2):
        world.deliver(address, 2, subject=f"round {number}")
        assert [line.taken for line in support(world.steps(None))] == [2]
    assert world.dovecot.bodies_retrieved(address) == 4
    assert stored(world).total() == 4


def test_a_session_left_with_a_backlog_still_deletes_what_was_stored(world: World) -> None:
    address = world.fresh()
    world.deliver(address, MAILS)
    over_pop3(world, address, after_fetch="delete")
    assert [(line.taken, line.backlog) for line in support(world.steps(1))] == [(3, 4)]
    world.dovecot.bodies_retrieved(address)
    assert subjects(world, address) == ["Mail 4", "Mail 5", "Mail 6", "Mail 7"]
    assert unacknowledged(world) == 0


def test_start_now_leaves_what_is_there_at_first_contact(world: World) -> None:
    address = world.fresh()
    world.deliver(address, 3, subject="old")
    over_pop3(world, address, start="now", after_fetch="delete")
    assert [(line.taken, line.backlog) for line in support(world.steps(None))] == [(0, 0)]
    world.deliver(address, 2, subject="new")
    assert [line.taken for line in support(world.steps(None))] == [2]
    assert subjects(world, address) == ["old 1", "old 2", "old 3"]
    assert world.dovecot.bodies_retrieved(address) == 2


def test_a_dry_run_takes_and_deletes_nothing(world: World) -> None:
    address = world.fresh()
    world.deliver(address, 4)
    over_pop3(world, address, after_fetch="delete")
    [line] = [one for one in world.ndjson("fetch", "--dry-run") if one["account"] == "support"]
    assert (line["protocol"], line["taken"], line["backlog"]) == ("pop3", 3, 1)
    assert world.dovecot.bodies_retrieved(address) == 0
    assert len(subjects(world, address)) == 4


@pytest.mark.parametrize("after_fetch", ["keep", "delete"])
@pytest.mark.parametrize("fault", ["stored=kill", "stored#2=kill", "acknowledged=kill", "acknowledged#3=kill"])
def test_after_a_kill_once_stored_nothing_is_lost_twice_or_fetched_again(
    world: World, fault: str, after_fetch: str
) -> None:
    address = world.fresh()
    world.deliver(address, MAILS)
    over_pop3(world, address, after_fetch=after_fetch)
    done = world.command("fetch", "--drain", check=None, RECONCILER_FAULTS=fault)
    # What is kept is not acknowledged, so that point is never reached.
    killed = after_fetch == "delete" or fault.startswith("stored")
    assert (done.returncode == -signal.SIGKILL) is killed
    assert len(subjects(world, address)) == MAILS
    assert support(world.steps(None))[-1].error is None
    assert (len(stored(world)), stored(world).total(), unacknowledged(world)) == (MAILS, MAILS, 0)
    assert world.dovecot.bodies_retrieved(address) == MAILS
    assert len(subjects(world, address)) == (MAILS if after_fetch == "keep" else 0)


def test_after_a_kill_behind_quit_the_next_listing_tells_what_was_deleted(world: World) -> None:
    address = world.fresh()
    world.deliver(address, MAILS)
    over_pop3(world, address, after_fetch="delete")
    done = world.command("fetch", "--drain", check=None, RECONCILER_FAULTS="finished#3=kill")
    assert done.returncode == -signal.SIGKILL
    world.steps(None)
    assert (subjects(world, address), unacknowledged(world), stored(world).total()) == ([], 0, MAILS)
    assert world.dovecot.bodies_retrieved(address) == MAILS


def test_after_a_kill_before_storing_the_mails_in_hand_are_fetched_again_and_none_is_lost(world: World) -> None:
    address = world.fresh()
    world.deliver(address, MAILS)
    over_pop3(world, address, after_fetch="delete")
    world.command("fetch", "--drain", check=-signal.SIGKILL, RECONCILER_FAULTS="fetched#2=kill")
    assert len(subjects(world, address)) == MAILS
    world.steps(None)
    assert (subjects(world, address), stored(world).total()) == ([], MAILS)
    assert world.dovecot.bodies_retrieved(address) == MAILS + 3


def lines(*said: str) -> bytes:
    return "".join(f"{line}\r\n" for line in ("+OK", *said, ".")).encode()


def mailbox(uidls: dict[int, str], *first: tuple[str, bytes], subject: str = "x", capa: str = "TOP") -> Script:
    """A server whose mails have these UIDLs and all the same text."""
    text = ("Message-ID: <1@c.example>", f"Subject: {subject}", "", "text")
    table = lines(*(f"{number} {uidl}" for number, uidl in uidls.items()))
    sizes = lines(*(f"{number} {sum(len(t) + 2 for t in text)}" for number in uidls))
    answers = (("USER", OK), ("PASS", OK), ("CAPA", lines("UIDL", capa)), ("UIDL", table), ("LIST", sizes))
    return Script(
        b"+OK\r\n",
        (*first, *answers, ("TOP", lines(*text[:3])), ("RETR", lines(*text)), ("DELE", OK), ("QUIT", OK)),
        tagged=False,
    )


def steps_at(world: World, script: Script, cycles: int | None = None, **pop3: Any) -> tuple[list[StepLine], list[str]]:
    """Fetch from a server with this script; what each step said and what the server was told."""
    with ScriptedServer(script) as server:
        over_pop3(world, "scripted@acme.example", port=server.port, **{"after_fetch": "delete", **pop3})
        return support(world.steps(cycles)), server.received


def test_a_mail_listed_again_after_a_lost_quit_is_deleted_again_without_retr(world: World) -> None:
    first, _ = steps_at(world, mailbox({1: "a", 2: "b"}, ("QUIT", CLOSE)))
    assert [(line.taken, line.error) for line in first] == [(2, None)]
    assert unacknowledged(world) == 2
    again, told = steps_at(world, mailbox({1: "a", 2: "b"}))
    assert [(line.taken, line.error) for line in again] == [(0, None)]
    assert [line for line in told if line[:4] in ("RETR", "DELE", "QUIT")] == ["DELE 1", "DELE 2", "QUIT"]
    assert unacknowledged(world) == 0


@pytest.mark.parametrize(
    ("quit_answer", "after_fetch"), [(CLOSE, "delete"), (OK, "delete"), (OK, "keep")], ids=["lost", "deleted", "kept"]
)
@pytest.mark.field("UIDL reused")
def test_a_uidl_used_again_for_another_mail_is_found_out_and_that_mail_stays(
    world: World, quit_answer: bytes, after_fetch: str
) -> None:
    steps_at(world, mailbox({1: "a"}, ("QUIT", quit_answer)), after_fetch=after_fetch)
    other = mailbox({1: "a", 2: "b"}, subject="of another mail")
    [line], told = steps_at(world, other, after_fetch=after_fetch)
    assert line.taken == 1
    assert line.error is not None
    assert line.error.startswith(
        "ResyncNeedsDecision: the server names other mails by the ids of mails fetched before: a;"
    )
    assert "DELE 1" not in told
    assert stored(world) == {"a": 1, "b": 1}


def test_uidls_that_are_listed_twice_are_shown_and_the_other_mails_are_taken(world: World) -> None:
    [line], told = steps_at(world, mailbox({1: "a", 2: "b", 3: "a"}))
    assert (line.taken, line.error) == (
        1,
        "ProtocolError: the server names several mails by one id: a; they stay there",
    )
    assert [one for one in told if one.startswith("DELE")] == ["DELE 2"]


def test_after_an_empty_retr_the_others_are_stored_and_nothing_is_deleted_in_that_session(world: World) -> None:
    [line], told = steps_at(world, mailbox({1: "a", 2: "b"}, ("RETR 1", lines())))
    assert line.error is not None
    assert line.error.startswith("ProtocolError: ")
    assert stored(world) == {"b": 1}
    assert "QUIT" not in told
    [line], told = steps_at(world, mailbox({1: "a", 2: "b"}))
    assert (line.taken, line.error) == (1, None)
    assert [one for one in told if one.startswith("RETR")] == ["RETR 1"]


def test_a_mail_that_the_store_refuses_ends_the_session_without_quit_and_then_stays(world: World) -> None:
    steps_at(world, mailbox({}))
    with closing(sqlite3.connect(world.path / "state.db", isolation_level=None)) as store:
        store.execute(
            "CREATE TRIGGER refuses BEFORE INSERT ON mails WHEN NEW.uid = 'b' BEGIN SELECT RAISE(ABORT, 'never'); END"
        )
        [line], told = steps_at(world, mailbox({1: "a", 2: "b", 3: "c"}))
        assert line.error is not None
        assert line.error.startswith("MailNotStored: ")
        assert (line.taken, "QUIT" in told) == (2, False)
        assert stored(world) == {"a": 1, "c": 1}
        store.execute("DROP TRIGGER refuses")
    [line], told = steps_at(world, mailbox({1: "a", 2: "b", 3: "c"}))
    assert (line.taken, line.error, told[-1]) == (1, None, "QUIT")
    assert [one for one in told if one.startswith("RETR")] == ["RETR 2"]
    assert unacknowledged(world) == 0


def test_a_quit_that_is_refused_is_shown_and_told_again(world: World) -> None:
    [line], _ = steps_at(world, mailbox({1: "a"}, ("QUIT", b"-ERR not removed\r\n")))
    assert line.taken == 1
    assert line.error is not None
    assert line.error.startswith("AcknowledgeRefused: ")
    assert unacknowledged(world) == 1


def test_no_session_is_opened_sooner_than_the_server_wants(world: World) -> None:
    steps, told = steps_at(world, mailbox({1: "a"}, capa="LOGIN-DELAY 900"), cycles=2)
    assert [line.error and line.error.partition(":")[0] for line in steps] == [None, "Throttled"]
    assert [one for one in told if one.startswith("USER")] == ["USER scripted@acme.example"]


def test_a_running_system_waits_as_long_as_the_server_wants_and_shows_no_trouble(world: World) -> None:
    with ScriptedServer(mailbox({1: "a"}, capa="LOGIN-DELAY 900")) as server:
        over_pop3(world, "scripted@acme.example", port=server.port)
        with world.running() as running:
            running.until(lambda: running.events("step", account="support"), "the mail was taken")
            for number in (1, 2, 3):
                world.deliver(world.main_reply, 1)
                taken = partial(running.events, "step", account="main-reply")
                running.until(lambda: len(taken()) == number, "the poll interval of all accounts is over")  # noqa: B023
            assert running.events("step.trouble", account="support") == []
        assert server.connections == 1
    assert world.condition("support") == "Ok"
