"""What goes wrong while mails are sent, and that none is lost, failed for the account's sake or sent twice unmarked."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.errors import Unavailable
from reconciler.runtime.clock import utc_now
from tests.full_disk import full_disk
from tests.office import Office
from tests.rig.scripted import CLOSE, ScriptedServer
from tests.runtime.test_delivery_limits import (
    WELL,
    Commits,
    count,
    office_through,
    running,
    sending,
    server,
    through,
    write,
)
from tests.world import World, until

LATER = timedelta(minutes=2)

Unwell = Callable[[Office], AbstractContextManager[None]]


def answering(*answers: tuple[str, bytes]) -> ScriptedServer:
    """A server that gives these answers first, in this order, and serves well where they say nothing."""
    return server((*answers, *WELL))


def states(office: Office) -> list[tuple[str, int, bool]]:
    return [(row.state.value, row.attempts, row.possibly_twice) for row in office.outbox()]


def sending_of(office: Office, account: str = "support") -> Any:
    found = json.loads(office.command("status", "--format", "json", check=None).out)["accounts"]
    return next(a for a in found if (a["tenant"], a["account"]) == ("acme", account))["sending"]


@pytest.mark.parametrize(
    "loss",
    [CLOSE, b"421 4.3.2 closing\r\n"],
    ids=["lost", "421"],
)
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_connection_lost_in_the_middle_defers_that_mail_and_the_others_go_over_a_new_one(
    world: World, command: str, loss: bytes
) -> None:
    with lossy(command, loss) as one:
        office = office_through(world, one, 3)
        assert [line["result"] for line in office.lines("send", "--drain", check=4)] == ["deferred", "sent", "sent"]
        assert states(office) == [("queued", 1, False), ("sent", 1, False), ("sent", 1, False)]
        assert one.connections == 2
        assert sending_of(office)["condition"] == "Ok"
        assert [line.result for line in office.send_at(utc_now() + LATER)] == ["sent"]


@contextmanager
def lossy(command: str, loss: bytes) -> Iterator[ScriptedServer]:
    """A server that loses its first connection at this command and serves the next ones well."""

    class Lossy(ScriptedServer):
        def _converse(self, connection: Any, script: Any) -> None:
            first = self.connections == 1
            answers = ((command, loss), *WELL) if first else WELL
            super()._converse(connection, type(script)(script.greeting, answers, tagged=False))

    plain = server()
    with Lossy(plain.script) as one:
        yield one


def test_a_server_that_loses_every_connection_costs_the_mails_it_never_saw_no_try(world: World) -> None:
    with answering(("MAIL", CLOSE), ("MAIL", CLOSE)) as one:
        office = office_through(world, one, 5, send_weight=5)
        assert {line["result"] for line in office.lines("send", check=4)} == {"deferred"}
        assert states(office) == [("queued", 1, False)] * 2 + [("queued", 0, False)] * 3
        assert sending_of(office)["condition"] == "Unreachable"


def test_a_mail_lost_after_its_final_dot_goes_out_again_marked_and_identical(world: World) -> None:
    office = Office(world)
    office.opened()
    write(office, 2)
    world.smtp_server.behave(office.customer, "drop-after-dot")
    office.send_at(utc_now())
    assert [row.possibly_twice for row in office.outbox()] == [True, True]
    world.smtp_server.behave(office.customer, None)
    office.send_at(utc_now() + LATER)
    first, second, *again = world.smtp_server.envelopes(office.customer)
    assert sorted(e.data for e in again) == sorted(e.data for e in (first, second))
    assert states(office) == [("sent", 2, True)] * 2


@pytest.mark.parametrize(
    ("answer", "condition"),
    [
        (("MAIL", b"530 5.7.0 Authentication required\r\n"), "AuthFailed"),
        (("MAIL", b"530 5.7.57 Client was not authenticated\r\n"), "AuthFailed"),
        (("RCPT", b"530 5.7.1 log in first\r\n"), "AuthFailed"),
        (("MAIL", b"550 5.7.57 Client was not authenticated\r\n"), "AuthFailed"),
        (("MAIL", b"538 5.7.11 encryption required\r\n"), "TlsFailed"),
    ],
    ids=["530", "530 5.7.57", "530 at RCPT", "5.7.57", "538"],
)
def test_an_account_that_is_set_up_wrong_fails_no_mail_and_shows_in_status(
    world: World, answer: tuple[str, bytes], condition: str
) -> None:
    with answering(answer) as one:
        office = office_through(world, one, 3)
        lines = office.lines("send", "--drain", check=4)
        assert [line["result"] for line in lines] == ["deferred"] * 3
        assert states(office) == [("queued", 0, False)] * 3
        assert sending_of(office)["condition"] == condition
        assert answer[1][:3].decode() in sending_of(office)["reason"]
        assert office.command("status", check=4).out.count("cannot send: ") == 1
    with server() as mended:
        world.unit("acme", world.account("support", office.support, **through(mended)))
        office.command("apply", check=None)
        office.send()
        assert states(office) == [("sent", 1, False)] * 3
        assert sending_of(office)["condition"] == "Ok"
        assert sending_of(office)["last_success"] is not None


def wrong_password(office: Office) -> dict[str, Any]:
    office.world.secret("acme", "support", "wrong")
    return {}


def no_secret(office: Office) -> dict[str, Any]:
    return {"smtp": {"password": {"secret": "gone"}}}


def no_tls(office: Office) -> dict[str, Any]:
    return {"smtp": {"port": office.world.smtp_server.old_port, "security": "starttls", "host": "localhost"}}


def nowhere(office: Office) -> dict[str, Any]:
    return {"smtp": {"port": 1}}


@pytest.mark.parametrize(
    ("change", "condition"),
    [(wrong_password, "AuthFailed"), (no_secret, "SecretMissing"), (no_tls, "TlsFailed"), (nowhere, "Unreachable")],
    ids=["wrong password", "no secret", "no TLS offered", "nobody there"],
)
def test_a_server_that_cannot_be_had_for_weeks_fails_no_mail(
    world: World, change: Callable[[Office], dict[str, Any]], condition: str
) -> None:
    office = Office(world)
    office.opened()
    write(office, 1)
    changed = world.account("support", office.support, **change(office))
    if condition in ("TlsFailed", "Unreachable"):
        changed = world.with_own_secret("acme", changed, "elsewhere")
    world.unit("acme", changed)
    office.command("apply", check=None)
    for days in (0, 1, 7, 30):
        assert [line.result for line in office.send_at(utc_now() + timedelta(days=days))] == ["deferred"]
    assert states(office) == [("queued", 0, False)]
    assert sending_of(office)["condition"] == condition
    world.secret("acme", "support", world.dovecot.password)
    world.unit("acme", world.account("support", office.support))
    office.command("apply", check=None)
    office.send()
    assert len(office.received()) == 1


def test_a_sender_whom_the_server_does_not_let_send_fails_with_its_words(world: World) -> None:
    refusal = b"550 5.7.60 SMTP; Client does not have permissions to send as this sender\r\n"
    with answering(("MAIL", refusal)) as one:
        office = office_through(world, one, 2)
        results = [line["result"] for line in office.lines("send", "--drain", check=4)]
        assert results == ["failed", "sent"]
        (error,) = office.json("outbox", "--errors")["outbox"]
        assert "5.7.60" in error["answer"]
        assert "does not have permissions to send as this sender" in office.case("C1")["entries"][-1]["text"]
        assert sending_of(office)["condition"] == "Ok"


def test_a_mail_the_server_finds_too_large_fails_and_the_next_goes_out(world: World) -> None:
    with server((("EHLO", b"250-mx.example\r\n250 SIZE 2000\r\n"), *WELL[1:])) as one:
        office = office_through(world, one)
        office.command("reply", "C1", "--text", "x " * 3000)
        write(office, 1)
        assert [line["result"] for line in office.lines("send", "--drain", check=4)] == ["failed", "sent"]
        assert "takes 2000 at most" in office.case("C1")["entries"][-1]["text"]
        assert count(one, "MAIL") == 1


def test_a_refused_recipient_does_not_take_the_others_along(world: World) -> None:
    office = Office(world, reply={})
    office.opened()
    gone = office.outside("gone", "partner.example")
    world.smtp_server.behave(gone, "permfail")
    office.command("forward", "C1", "--to", gone, "--to", office.expert, "--text", "Please")
    assert sorted(line["result"] for line in office.lines("send", "--drain", check=4)) == ["failed", "sent"]
    assert (len(office.received(office.expert)), office.received(gone)) == (1, [])


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)], ids=["back", "forward"])
def test_a_clock_jump_neither_loses_nor_doubles_a_mail(world: World, jump: timedelta) -> None:
    office = Office(world)
    office.opened()
    write(office, 1)
    world.smtp_server.behave(office.customer, "tempfail")
    assert [line.result for line in office.send_at(utc_now())] == ["deferred"]
    world.smtp_server.behave(office.customer, None)
    write(office, 1)
    after = utc_now() + jump
    assert [line.result for line in office.send_at(after)] == ["sent", "sent"]
    for later in (after + LATER, utc_now(), utc_now() + timedelta(days=500)):
        assert office.send_at(later) == []
    assert len(office.received()) == 2


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)], ids=["back", "forward"])
def test_a_rate_survives_a_clock_jump(world: World, jump: timedelta) -> None:
    with server() as one:
        office = office_through(world, one, 2, per_minute=1)
        assert len(office.send_at(utc_now())) == 1
        assert len(office.send_at(utc_now() + jump)) == 1


def test_a_clock_that_jumps_while_mails_are_sent_sends_each_once(world: World) -> None:
    jumps = iter([0, 400, -400, 30, -30] * 50)
    with server() as one:
        office = office_through(world, one, 5, send_weight=1)
        with sending(office, lambda: utc_now() + timedelta(days=next(jumps))) as (sender, lines):
            sender.drain()
        assert [line.result for line in lines] == ["sent"] * 5
        assert count(one, "DATA") == 5
        assert office.send_at(utc_now() + timedelta(days=1000)) == []


@contextmanager
def locked(office: Office) -> Iterator[None]:
    """Somebody else holds the write lock of the store for as long as the block."""
    path = office.world.state.removeprefix("sqlite:///").partition("?")[0]
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def full(_office: Office) -> AbstractContextManager[None]:
    """As `locked`, for want of space."""
    return full_disk()


UNWELL = pytest.mark.parametrize("unwell", [locked, full], ids=["locked", "disk full"])


def impatient(office: Office) -> None:
    """From now on a locked store is waited for only shortly."""
    office.world.state += "?timeout=0.1"
    office.world.environment["RECONCILER_STATE"] = office.world.state


class Patient(ScriptedServer):
    """Serves well, but answers the final dot only when it is told to."""

    def __init__(self) -> None:
        super().__init__(server((*WELL[:4], (".", b"250 taken\r\n"), *WELL[5:])).script)
        self.go = threading.Event()

    def _say(self, connection: Any, what: bytes) -> bool:
        return (what != b"250 taken\r\n" or self.go.wait(30)) and super()._say(connection, what)


@UNWELL
def test_a_store_that_is_unwell_when_the_answer_comes_loses_and_doubles_nothing(world: World, unwell: Unwell) -> None:
    with Patient() as one:
        office = office_through(world, one, 3)
        impatient(office)
        commits = Commits()
        with running(office, commits) as lines:
            one.wait_for(".")
            until(lambda: "." in one.received, "the first mail has been sent to its dot")
            with unwell(office):
                before = commits.count
                one.go.set()
                until(lambda: commits.count > before + 3, "the store has refused the result several times")
                assert (count(one, "DATA"), lines) == (1, [])
            until(lambda: len(lines) == 3, "all mails are told")
        assert [line.result for line in lines] == ["sent"] * 3
        assert states(office) == [("sent", 1, False)] * 3
        assert count(one, "DATA") == 3


@UNWELL
def test_a_command_that_could_not_write_its_result_leaves_the_mail_to_be_sent_again_and_marked(
    world: World, unwell: Unwell
) -> None:
    with Patient() as one:
        office = office_through(world, one, 2)
        impatient(office)
        with sending(office) as (sender, lines):
            failures: list[BaseException] = []
            drain = threading.Thread(target=lambda: failures.append(failure_of(sender.drain)))
            drain.start()
            until(lambda: "." in one.received, "the first mail has been sent to its dot")
            with unwell(office):
                one.go.set()
                drain.join()
            [failure] = failures
            assert isinstance(failure, Unavailable)
            assert lines == []
        office.send()
        assert states(office) == [("sent", 2, True), ("sent", 2, True)]
        assert count(one, "DATA") == 3


def failure_of(work: Callable[[], None]) -> BaseException:
    """What the work raised."""
    try:
        work()
    except Unavailable as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_store_that_is_locked_from_the_beginning_sends_nothing_until_it_is_free(world: World) -> None:
    with server() as one:
        office = office_through(world, one, 2)
        impatient(office)
        with sending(office) as (sender, lines), locked(office):
            assert isinstance(failure_of(sender.drain), Unavailable)
            assert (lines, count(one, "DATA")) == ([], 0)
        office.send()
        assert states(office) == [("sent", 1, False)] * 2
