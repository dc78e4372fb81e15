"""The POP3 door against servers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import Fetched, Listing
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Limits, Session
from reconciler.protocol.pop3 import open_session
from reconciler.protocol.pop3_settings import Pop3Settings
from tests.rig.scripted import CLOSE, CLOSES_AT_ONCE, GARBAGE, SILENT, Script, ScriptedServer, greets

IMPATIENT = Limits(connect=0.3, command=0.3)
CANARY = "Kanarie-Vogel-77"
OK = b"+OK\r\n"
ERR = b"-ERR no\r\n"

Answers = Sequence[tuple[str, bytes]]


def lines(*said: str) -> bytes:
    return "".join(f"{line}\r\n" for line in ("+OK", *said, ".")).encode()


def offering(*capabilities: str) -> tuple[str, bytes]:
    return ("CAPA", lines(*capabilities))


LOGIN: Answers = (("USER", OK), ("PASS", OK), ("QUIT", OK))
TWO: Answers = (("UIDL", lines("1 a", "2 b")), ("LIST", lines("1 30", "2 30")), ("DELE", OK))
MAIL = lines("Subject: x", "", "text")


def talking(*answers: tuple[str, bytes], greeting: bytes = b"+OK ready\r\n") -> Script:
    return Script(greeting, answers, tagged=False)


def usual(*first: tuple[str, bytes], capabilities: Sequence[str] = ("UIDL",)) -> Script:
    """A server with two mails, a and b, that answers as usual but for what is said first."""
    return talking(*first, offering(*capabilities), *LOGIN, *TWO, ("RETR", MAIL), ("TOP", MAIL))


def settings_for(server: ScriptedServer, **changes: Any) -> Pop3Settings:
    given = {"host": server.host, "port": server.port, "security": "none", "username": "support"}
    return Pop3Settings.model_validate({**given, "password": {"secret": "any"}, **changes})


@contextmanager
def session_with(script: Script, **changes: Any) -> Iterator[tuple[Session, ScriptedServer]]:
    with ScriptedServer(script) as server:
        session = open_session(settings_for(server, **changes), Secret(CANARY), IMPATIENT)
        try:
            yield session, server
        finally:
            session.close()


def failure_to_open(script: Script | None, password: str = CANARY, **changes: Any) -> Refused | Trouble:
    with ScriptedServer(script) as server, pytest.raises(ReconcilerError) as caught:
        open_session(settings_for(server, **changes), Secret(password), IMPATIENT).close()
    assert isinstance(caught.value, Refused | Trouble)
    assert password not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"
    return caught.value


def taken(session: Session, listing: Listing) -> tuple[list[Fetched], ReconcilerError | None]:
    """What came of fetching all, and what then went wrong."""
    got: list[Fetched] = []
    try:
        got.extend(session.fetch(listing, [mail.uid for mail in listing.mails]))
    except ReconcilerError as error:
        return got, error
    return got, None


def commands(server: ScriptedServer, word: str) -> list[str]:
    return [line for line in server.received if line.startswith(word)]


@pytest.mark.parametrize(
    ("script", "condition"),
    [
        (None, Condition.UNREACHABLE),
        (SILENT, Condition.TIMED_OUT),
        (CLOSES_AT_ONCE, Condition.UNREACHABLE),
        (GARBAGE, Condition.PROTOCOL_ERROR),
        (greets("-ERR [SYS/TEMP] later"), Condition.UNREACHABLE),
        (greets("-ERR too many connections"), Condition.THROTTLED),
        (greets("-ERR closed for today"), Condition.PROTOCOL_ERROR),
        (Script(b"+OK ready\r\n", tagged=False), Condition.TIMED_OUT),
    ],
    ids=["refuses", "silent", "closes", "garbage", "SYS/TEMP", "too many", "-ERR", "silent after greeting"],
)
def test_a_server_that_cannot_be_had_names_its_condition(script: Script | None, condition: Condition) -> None:
    assert failure_to_open(script).condition is condition


@pytest.mark.parametrize(
    ("answer", "kind", "condition", "wait"),
    [
        ("-ERR wrong", Refused, Condition.AUTH_FAILED, None),
        (f"-ERR what is {CANARY}", Refused, Condition.AUTH_FAILED, None),
        (f"?? {CANARY}", Trouble, Condition.PROTOCOL_ERROR, None),
        ("-ERR [AUTH] wrong", Refused, Condition.AUTH_FAILED, None),
        ("-ERR [IN-USE] somebody reads it", Trouble, Condition.THROTTLED, 60),
        ("-ERR maildrop already locked", Trouble, Condition.THROTTLED, 60),
        ("-ERR [LOGIN-DELAY] too soon", Trouble, Condition.THROTTLED, 900),
        ("-ERR [SYS/TEMP] disk is full", Trouble, Condition.UNREACHABLE, None),
        ("-ERR [SYS/PERM] no such mailbox any more", Refused, Condition.PROTOCOL_ERROR, None),
        ("-ERR [sys/temp/disk] full", Trouble, Condition.UNREACHABLE, None),
    ],
    ids=[
        *("-ERR", "with password", "garbage with password", "AUTH", "IN-USE", "locked", "LOGIN-DELAY", "SYS/TEMP"),
        *("SYS/PERM", "a subcode, small letters"),
    ],
)
def test_a_failed_login_says_whether_to_wait_or_to_mend(
    answer: str, kind: type[Exception], condition: Condition, wait: float | None
) -> None:
    script = talking(offering("LOGIN-DELAY 900"), ("USER", OK), ("PASS", answer.encode() + b"\r\n"))
    failure = failure_to_open(script)
    assert (type(failure), failure.condition) == (kind, condition)
    assert getattr(failure, "retry_after", None) == wait


def test_a_connection_lost_at_the_login_is_no_wrong_password() -> None:
    assert failure_to_open(talking(("USER", OK), ("PASS", CLOSE))).condition is Condition.UNREACHABLE


def test_a_password_cannot_smuggle_a_command_in() -> None:
    with ScriptedServer(usual()) as server, pytest.raises(Refused, match="control character"):
        open_session(settings_for(server), Secret("x\r\nDELE 1"), IMPATIENT)
    assert server.received == []


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (talking(("CAPA", ERR)), "does not offer STARTTLS"),
        (usual(), "does not offer STARTTLS"),
        (talking(offering("STLS"), ("STLS", b"+OK go\r\n+OK early\r\n")), "before TLS"),
    ],
    ids=["no CAPA", "not offered", "data before TLS"],
)
def test_starttls_is_not_to_be_talked_out_of(script: Script, text: str) -> None:
    failure = failure_to_open(script, security="starttls")
    assert failure.condition is Condition.TLS_FAILED
    assert text in str(failure)


@pytest.mark.parametrize("capa", [("CAPA", ERR), offering("TOP")], ids=["no CAPA", "not offered"])
def test_without_uidl_nothing_is_taken_and_the_text_says_why(capa: tuple[str, bytes]) -> None:
    with session_with(usual(("UIDL", ERR), capa)) as (session, server):
        with pytest.raises(Refused, match="does not know UIDL") as caught:
            session.list("", (), None)
        assert caught.value.condition is Condition.PROTOCOL_ERROR
    assert not commands(server, "RETR")


def test_a_server_without_capa_is_read_all_the_same() -> None:
    with session_with(usual(("CAPA", ERR))) as (session, _):
        assert [mail.uid for mail in session.list("", (), None).mails] == ["a", "b"]
        assert session.login_delay == 0


@pytest.mark.parametrize(
    "table",
    [lines("1 a", "b"), lines("x a"), lines("1"), lines("1 a", "1 b"), b"+OK\r\n1 a\r\n"],
    ids=["no number", "a word for a number", "no UIDL", "two UIDLs", "no end"],
)
def test_a_listing_that_cannot_be_read_is_no_empty_mailbox(table: bytes) -> None:
    with session_with(usual(("UIDL", table))) as (session, _), pytest.raises(Trouble):
        session.list("", (), None)


def test_mails_that_share_a_uidl_are_neither_taken_nor_deleted_and_the_others_go_on() -> None:
    three = (("UIDL", lines("1 a", "2 b", "3 a")), ("LIST", lines("1 30", "2 30", "3 40")))
    with session_with(usual(*three)) as (session, server):
        listing = session.list("", (), None)
        assert [mail.uid for mail in listing.mails] == ["b"]
        assert listing.ambiguous == {"a"}
        answer = session.acknowledge(listing, ["a", "b"], "delete", None)
        assert (answer.done, answer.refused) == (frozenset(), {"a"})
        assert commands(server, "DELE") == ["DELE 2"]


@pytest.mark.parametrize("empty", [lines(), lines("", "")], ids=["nothing", "blank lines"])
def test_an_empty_answer_to_retr_is_an_error_named_after_the_others_came(empty: bytes) -> None:
    with session_with(usual(("RETR 1", empty))) as (session, server):
        got, error = taken(session, session.list("", (), None))
    assert [mail.uid for mail in got] == ["b"]
    assert isinstance(error, Trouble)
    assert error.condition is Condition.PROTOCOL_ERROR
    assert "UIDL a" in str(error)
    assert not commands(server, "DELE")
    assert not commands(server, "QUIT")


def test_a_mail_that_vanished_is_left_out_and_one_that_is_refused_is_an_error() -> None:
    vanished = (("RETR 1", ERR), ("UIDL 1", ERR))
    with session_with(usual(*vanished)) as (session, _):
        got, error = taken(session, session.list("", (), None))
        assert ([mail.uid for mail in got], error) == (["b"], None)
    with session_with(usual(("RETR 1", ERR), ("UIDL 1", b"+OK 1 a\r\n"))) as (session, _):
        got, error = taken(session, session.list("", (), None))
        assert [mail.uid for mail in got] == ["b"]
        assert "UIDL a" in str(error)


@pytest.mark.parametrize(
    ("answer", "kind", "condition"),
    [
        (b"-ERR [SYS/TEMP] later\r\n", Trouble, Condition.UNREACHABLE),
        (b"-ERR [SYS/PERM] broken\r\n", Refused, Condition.PROTOCOL_ERROR),
        (CLOSE, Trouble, Condition.UNREACHABLE),
        (b"+OK\r\nSubject: x\r\n\r\nhalf of", Trouble, Condition.TIMED_OUT),
        (b"+OK\r\n" + b"x" * 1_300_000, Trouble, Condition.PROTOCOL_ERROR),
    ],
    ids=["SYS/TEMP", "SYS/PERM", "closes", "stops half-way", "without end"],
)
def test_a_retr_that_goes_wrong_ends_the_session_without_quit(
    answer: bytes, kind: type[Exception], condition: Condition
) -> None:
    with session_with(usual(("RETR 2", answer))) as (session, server):
        got, error = taken(session, session.list("", (), None))
        assert [mail.uid for mail in got] == ["a"]
        assert (type(error), getattr(error, "condition", None)) == (kind, condition)
    assert not commands(server, "QUIT")


def test_after_retr_a_session_that_is_closed_does_not_quit() -> None:
    with session_with(usual()) as (session, server):
        taken(session, session.list("", (), None))
    assert not commands(server, "QUIT")
    with session_with(usual()) as (session, server):
        session.list("", (), None)
    server.wait_for("QUIT")


def test_a_connection_lost_before_quit_deletes_nothing_for_certain() -> None:
    with session_with(usual(("DELE 2", CLOSE))) as (session, _):
        listing = session.list("", (), None)
        with pytest.raises(Trouble) as caught:
            session.acknowledge(listing, ["a", "b"], "delete", None)
        assert caught.value.condition is Condition.UNREACHABLE
        assert session.finish() == frozenset()


@pytest.mark.parametrize("answer", [CLOSE, b""], ids=["closes", "silent"])
def test_a_lost_answer_to_quit_makes_nothing_certain(answer: bytes) -> None:
    with session_with(usual(("QUIT", answer))) as (session, server):
        listing = session.list("", (), None)
        session.acknowledge(listing, ["a", "b"], "delete", None)
        assert session.finish() == frozenset()
        assert commands(server, "QUIT") == ["QUIT"]
        assert not session.usable


def test_a_quit_that_is_refused_is_told() -> None:
    with session_with(usual(("QUIT", b"-ERR some deleted messages not removed\r\n"))) as (session, _):
        listing = session.list("", (), None)
        session.acknowledge(listing, ["a"], "delete", None)
        with pytest.raises(Trouble, match="not removed") as caught:
            session.finish()
        assert caught.value.condition is Condition.ACKNOWLEDGE_REFUSED


def test_a_refused_dele_is_told_and_the_others_are_deleted() -> None:
    with session_with(usual(("DELE 1", ERR))) as (session, _):
        listing = session.list("", (), None)
        answer = session.acknowledge(listing, ["a", "b", "gone"], "delete", None)
        assert (answer.done, answer.refused) == ({"gone"}, {"a"})
        assert session.finish() == {"b"}


def test_a_server_that_keeps_nothing_is_not_read_with_keep() -> None:
    failure = failure_to_open(usual(capabilities=["UIDL", "EXPIRE 0"]))
    assert failure.condition is Condition.ACKNOWLEDGE_REFUSED
    assert "after_fetch: delete" in str(failure)
    with session_with(usual(capabilities=["UIDL", "EXPIRE 0"]), after_fetch="delete") as (session, _):
        assert session.usable


@pytest.mark.parametrize(
    ("capability", "seconds"),
    [("LOGIN-DELAY 120", 120), ("LOGIN-DELAY 60 USER", 60), ("LOGIN-DELAY", 0), ("LOGIN-DELAY soon", 0)],
)
def test_the_pause_between_logins_is_read(capability: str, seconds: float) -> None:
    with session_with(usual(capabilities=["UIDL", capability])) as (session, _):
        assert session.login_delay == seconds


def test_a_call_that_hangs_can_be_aborted_from_another_thread() -> None:
    with ScriptedServer(usual(("RETR", b""))) as server:
        session = open_session(settings_for(server), Secret(CANARY), Limits(connect=5, command=30))
        listing = session.list("", (), None)
        failed: list[ReconcilerError | None] = []
        thread = threading.Thread(target=lambda: failed.append(taken(session, listing)[1]))
        thread.start()
        server.wait_for("RETR")
        session.abort()
        thread.join(10)
        session.close()
    assert [type(error) for error in failed] == [Trouble]
