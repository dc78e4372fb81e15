"""How mails share connections: kept between steps, one an account, so many in all, so many mails a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.core.outbox import DeliveryLine, OutboxState
from reconciler.runtime.clock import utc_now
from reconciler.runtime.delivery import Sender
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.sending import Postbox
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.supervisor import new_boot
from reconciler.runtime.writer import Writer
from tests.office import Office
from tests.rig.scripted import CLOSE, NOTHING, Script, ScriptedServer
from tests.world import World, until

WELL = (
    ("EHLO", b"250 mx.example\r\n"),
    ("MAIL", b"250 ok\r\n"),
    ("RCPT", b"250 ok\r\n"),
    ("DATA", b"354 go\r\n"),
    (".", b"250 ok\r\n"),
    ("NOOP", b"250 ok\r\n"),
    ("RSET", b"250 ok\r\n"),
    ("QUIT", CLOSE),
)
HANGS = (*WELL[:2], ("RCPT", NOTHING), *WELL[3:])


def server(answers: Any = WELL) -> ScriptedServer:
    return ScriptedServer(Script(b"220 mx.example\r\n", answers, tagged=False))


def through(server: ScriptedServer, **keys: Any) -> dict[str, Any]:
    """The smtp block of an account that sends through the scripted server."""
    return {"smtp": {"host": "127.0.0.1", "port": server.port, "username": None, "password": None, **keys}}


class Commits(Observer):
    """Counts the writer's commits, those that fail too."""

    def __init__(self) -> None:
        self.count = 0

    def committed(self, pieces: int, seconds: float) -> None:
        """See Observer."""
        self.count += 1


Sending = tuple[Sender, list[DeliveryLine]]


@contextmanager
def sending(
    office: Office, clock: Callable[[], datetime] = utc_now, observer: Observer = UNOBSERVED, **settings: Any
) -> Iterator[Sending]:
    """A sender as `run` has it, and what it tells."""
    lines: list[DeliveryLine] = []
    with office.house() as wired:
        writer = Writer(wired.store, observer)
        limits = RunSettings(**{"send_seconds": 0.05, **settings})
        postbox = Postbox(wired.store, writer, wired.registry, wired.secrets, limits, clock, new_boot())
        try:
            yield Sender(postbox, lines.append), lines
        finally:
            writer.close()


@contextmanager
def running(office: Office, observer: Observer = UNOBSERVED, **settings: Any) -> Iterator[list[DeliveryLine]]:
    """Sending as `run` does it, until the block ends."""
    stop, wake = threading.Event(), threading.Event()
    with sending(office, observer=observer, **settings) as (sender, lines):
        thread = threading.Thread(target=sender.run, args=(stop, wake))
        thread.start()
        try:
            yield lines
        finally:
            stop.set()
            thread.join()


def office_through(world: World, one: ScriptedServer, mails: int = 0, **keys: Any) -> Office:
    """An office whose support account sends through the server; so many replies wait."""
    smtp = {"per_minute": keys.pop("per_minute")} if "per_minute" in keys else {}
    office = Office(world, support={**through(one, **smtp), **keys})
    office.opened()
    write(office, mails)
    return office


def write(office: Office, mails: int) -> None:
    for number in range(mails):
        office.command("reply", "C1", "--text", f"Part {number}")


def count(one: ScriptedServer, word: str) -> int:
    return sum(line.upper().startswith(word) for line in one.received)


def test_a_connection_serves_several_steps(world: World) -> None:
    with server() as one:
        office = office_through(world, one, 5, send_weight=2)
        office.send()
        assert (one.connections, count(one, "DATA"), count(one, "QUIT")) == (1, 5, 1)


def test_a_connection_is_kept_for_a_while_and_then_closed_cleanly(world: World) -> None:
    with server() as one:
        office = office_through(world, one, 1)
        with running(office, send_idle_seconds=1) as lines:
            until(lambda: len(lines) == 1, "the first mail is sent")
            write(office, 1)
            until(lambda: len(lines) == 2, "the second mail is sent")
            assert one.connections == 1
            until(lambda: count(one, "QUIT") == 1, "the idle connection is closed")
            write(office, 1)
            until(lambda: len(lines) == 3, "the third mail is sent")
            assert one.connections == 2
        assert {line.result for line in lines} == {"sent"}


def test_the_end_closes_a_kept_connection(world: World) -> None:
    with server() as one:
        office = office_through(world, one, 1)
        with running(office, send_idle_seconds=60) as lines:
            until(lambda: lines, "the mail is sent")
        until(lambda: count(one, "QUIT") == 1, "the connection is closed")


def test_a_kept_connection_that_the_server_has_ended_costs_no_mail_a_try(world: World) -> None:
    with server((*WELL[:5], ("NOOP", b"421 4.4.2 idle for too long\r\n"), *WELL[6:])) as one:
        office = office_through(world, one, 1)
        with running(office, send_idle_seconds=60) as lines:
            until(lambda: len(lines) == 1, "the first mail is sent")
            write(office, 1)
            until(lambda: len(lines) == 2, "the second mail is sent")
        assert one.connections == 2
        assert [(row.state, row.attempts) for row in office.outbox()] == [(OutboxState.SENT, 1)] * 2


def test_changed_settings_are_followed_by_a_new_connection(world: World) -> None:
    with server() as one, server() as two:
        office = office_through(world, one, 1)
        with running(office, send_idle_seconds=60) as lines:
            until(lambda: len(lines) == 1, "the first mail is sent")
            world.unit("acme", world.account("support", office.support, **through(two)))
            office.command("apply", check=None)
            write(office, 1)
            until(lambda: len(lines) == 2, "the second mail is sent")
            assert (count(one, "DATA"), count(two, "DATA"), count(one, "QUIT")) == (1, 1, 1)


def test_so_many_mails_a_minute_and_no_more_across_restarts(world: World) -> None:
    with server() as one:
        office = office_through(world, one, 5, per_minute=2, send_weight=3)
        now = utc_now()
        sent = [
            [line.outbox for line in office.send_at(now + timedelta(seconds=seconds))]
            for seconds in (0, 30, 61, 90, 122)
        ]
        assert sent == [["O1", "O2"], [], ["O3", "O4"], [], ["O5"]]
        assert {row.attempts for row in office.outbox()} == {1}


def test_a_try_that_was_deferred_counts_for_the_rate(world: World) -> None:
    with server((*WELL[:2], ("RCPT", b"451 later\r\n"), *WELL[3:])) as one:
        office = office_through(world, one, 3, per_minute=2)
        now = utc_now()
        assert [line.result for line in office.send_at(now)] == ["deferred", "deferred"]
        assert office.send_at(now + timedelta(seconds=30)) == []


def test_a_rate_delays_no_other_account(world: World) -> None:
    with server() as one:
        office = Office(world, support=through(one, per_minute=1), reply={})
        office.opened()
        write(office, 3)
        office.command("forward", "C1", "--to", office.expert)
        office.send()
        assert sorted(row.state for row in office.outbox()) == ["queued", "queued", "sent", "sent"]
        assert len(office.received(office.expert)) == 1


def offices(world: World, servers: list[ScriptedServer]) -> Office:
    """One case at each account, one account a server, and a reply waiting at each."""
    office = Office(world, support=through(servers[0]))
    accounts = [world.account("support", office.support, **through(servers[0]))]
    addresses = [office.support]
    for number, one in enumerate(servers[1:], start=1):
        addresses.append(world.fresh(f"support{number}"))
        accounts.append(world.account(f"support{number}", addresses[-1], **through(one)))
    world.unit("acme", *accounts)
    office.command("apply")
    for address in addresses:
        world.customer_writes(office.customer, address)
    office.fetch()
    for case in office.cases():
        office.command("reply", case["id"], "--text", "Hello")
    return office


def test_no_more_connections_than_allowed_are_open_at_a_time(world: World) -> None:
    with server() as one, server() as two, server() as three:
        office = offices(world, [one, two, three])
        with running(office, send_connections=1, send_idle_seconds=60) as lines:
            until(lambda: len(lines) == 3, "all mails are sent")
            until(lambda: sum(count(s, "QUIT") for s in (one, two, three)) == 2, "two of three are closed for the next")
        assert [s.connections for s in (one, two, three)] == [1, 1, 1]


@pytest.mark.parametrize("connections", [1, 16])
def test_a_server_that_hangs_does_not_hold_up_the_others(world: World, connections: int) -> None:
    with server(HANGS) as hanging, server() as one, server() as two:
        office = offices(world, [hanging, one, two])
        limits: dict[str, Any] = {"send_connections": connections, "late_seconds": 0.2, "command_seconds": 8.0}
        with running(office, **limits) as lines:
            until(lambda: len(lines) == 2, "the others' mails are sent", 6)
            assert {line.result for line in lines} == {"sent"}
            assert hanging.connections == 1
            until(lambda: len(lines) == 3, "the hanging server is given up")
        assert [line.result for line in lines].count("deferred") == 1


def test_one_step_reaches_every_account_however_few_connections_there_are(world: World) -> None:
    with server() as one, server() as two, server() as three:
        office = offices(world, [one, two, three])
        with sending(office, send_connections=1) as (sender, lines):
            sender.step()
        assert [line.result for line in lines] == ["sent"] * 3
