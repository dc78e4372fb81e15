"""The IMAP door against servers that misbehave."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import Fetched, Listed, Listing
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Acknowledged, Limits, Session
from reconciler.protocol.imap import open_session
from reconciler.protocol.imap_flow import Manners
from reconciler.protocol.imap_handover import ImapOpener
from reconciler.protocol.imap_settings import ImapSettings
from tests.protocol.doors import by_flow
from tests.rig.scripted import CLOSE, CLOSES_AT_ONCE, GARBAGE, SILENT, Script, ScriptedServer, greets

IMPATIENT = Limits(connect=0.2, command=0.2)
CANARY = "Kanarie-Vogel-77"
GREETING = b"* OK ready\r\n"
OK = b"{tag} OK done\r\n"
LISTING = Listing("INBOX", 7, (Listed("3", 10), Listed("9", 10)))

Answers = Sequence[tuple[str, bytes]]


@pytest.fixture(params=["thread", "flow", "pipelining flow"], autouse=True)
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test asks the same of both doors."""
    if request.param != "thread":
        opener = ImapOpener(lambda: Manners(pipelines=request.param == "pipelining flow"))
        monkeypatch.setattr(sys.modules[__name__], "open_session", by_flow(opener))


def offering(*capabilities: str) -> tuple[str, bytes]:
    return ("CAPABILITY", f"* CAPABILITY IMAP4rev1 {' '.join(capabilities)}\r\n{{tag}} OK done\r\n".encode())


SELECTED = (
    "SELECT",
    b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 10] ok\r\n{tag} OK [READ-WRITE] selected\r\n",
)
LOGGED_IN: Answers = (offering("UIDPLUS", "MOVE"), ("LOGIN", OK), ("LOGOUT", b"* BYE\r\n{tag} OK done\r\n"))
BARE: Answers = (offering(), *LOGGED_IN[1:])


def settings_for(server: ScriptedServer, **changes: Any) -> ImapSettings:
    given = {"host": server.host, "port": server.port, "security": "none", "username": "support"}
    return ImapSettings.model_validate({**given, "password": {"secret": "any"}, **changes})


def session_with(server: ScriptedServer, **changes: Any) -> Session:
    return open_session(settings_for(server, **changes), Secret(CANARY), IMPATIENT)


def failure_to_open(script: Script | None, **changes: Any) -> Refused | Trouble:
    with ScriptedServer(script) as server, pytest.raises(ReconcilerError) as caught:
        session_with(server, **changes).close()
    assert isinstance(caught.value, Refused | Trouble)
    assert CANARY not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"
    return caught.value


def talking(*answers: tuple[str, bytes], greeting: bytes = GREETING) -> Script:
    return Script(greeting, answers)


@pytest.mark.parametrize(
    ("script", "condition"),
    [
        (None, Condition.UNREACHABLE),
        (SILENT, Condition.TIMED_OUT),
        (CLOSES_AT_ONCE, Condition.UNREACHABLE),
        (GARBAGE, Condition.PROTOCOL_ERROR),
        (greets("* OK ready"), Condition.TIMED_OUT),
        (greets("* BYE closed for today"), Condition.UNREACHABLE),
        (greets("* BYE Too many simultaneous connections"), Condition.THROTTLED),
        (greets("* BYE [UNAVAILABLE] later"), Condition.THROTTLED),
        (greets("* PREAUTH welcome"), Condition.TIMED_OUT),
        (talking(LOGGED_IN[0], greeting=b"* PREAUTH welcome\r\n"), Condition.PROTOCOL_ERROR),
        (talking(("CAPABILITY", b"* CAPABILITY NOTHING\r\n{tag} OK done\r\n")), Condition.PROTOCOL_ERROR),
        (talking(LOGGED_IN[0]), Condition.TIMED_OUT),
    ],
    ids=[
        "refuses",
        "silent",
        "closes",
        "garbage",
        "silent after greeting",
        "BYE",
        "BYE, too many",
        "BYE, unavailable",
        "PREAUTH, silent",
        "PREAUTH",
        "no IMAP4",
        "silent at LOGIN",
    ],
)
def test_a_server_that_cannot_be_had_names_its_condition(script: Script | None, condition: Condition) -> None:
    assert failure_to_open(script).condition is condition


@pytest.mark.parametrize(
    ("answer", "kind", "condition", "wait"),
    [
        (b"{tag} NO [AUTHENTICATIONFAILED] wrong\r\n", Refused, Condition.AUTH_FAILED, None),
        (b"{tag} NO what is " + CANARY.encode() + b"\r\n", Refused, Condition.AUTH_FAILED, None),
        (b"{tag} BAD LOGIN support " + CANARY.encode() + b"\r\n", Trouble, Condition.PROTOCOL_ERROR, None),
        (b"* BYE not " + CANARY.encode() + b"\r\n", Trouble, Condition.UNREACHABLE, None),
        (b"? " + CANARY.encode() + b"\r\n", Trouble, Condition.PROTOCOL_ERROR, None),
        (CLOSE, Trouble, Condition.UNREACHABLE, None),
        (b"{tag} NO [UNAVAILABLE] backend is down\r\n", Trouble, Condition.THROTTLED, None),
        (b"{tag} NO [INUSE] locked\r\n", Trouble, Condition.THROTTLED, 30),
        (b"{tag} NO [LIMIT] too much\r\n", Trouble, Condition.THROTTLED, 300),
        (b"{tag} NO [OVERQUOTA] too much\r\n", Trouble, Condition.THROTTLED, 900),
        (b"{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n", Trouble, Condition.THROTTLED, 60),
        (
            b"{tag} NO Request is throttled. Suggested Backoff Time: 97500 milliseconds\r\n",
            Trouble,
            Condition.THROTTLED,
            97.5,
        ),
    ],
    ids=[
        "NO",
        "NO with password",
        "BAD with password",
        "BYE with password",
        "garbage with password",
        "closes",
        "UNAVAILABLE",
        "INUSE",
        "LIMIT",
        "OVERQUOTA",
        "too many",
        "back-off",
    ],
)
def test_a_failed_login_says_whether_to_wait_or_to_mend(
    answer: bytes, kind: type[Exception], condition: Condition, wait: float | None
) -> None:
    failure = failure_to_open(talking(LOGGED_IN[0], ("LOGIN", answer)))
    assert (type(failure), failure.condition) == (kind, condition)
    assert getattr(failure, "retry_after", None) == wait


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (talking(offering("STARTTLS"), greeting=b"* PREAUTH welcome\r\n"), "PREAUTH"),
        (talking(offering()), "does not offer STARTTLS"),
        (talking(offering("STARTTLS"), ("STARTTLS", b"{tag} OK go\r\n* CAPABILITY IMAP4rev1\r\n")), "before TLS"),
    ],
    ids=["PREAUTH", "not offered", "data before TLS"],
)
def test_starttls_is_not_to_be_talked_out_of(script: Script, text: str) -> None:
    failure = failure_to_open(script, security="starttls")
    assert (type(failure), failure.condition) == (Refused, Condition.TLS_FAILED)
    assert text in str(failure)


def test_the_password_is_not_sent_where_plain_login_is_disabled() -> None:
    with ScriptedServer(talking(offering("LOGINDISABLED"))) as server, pytest.raises(Refused, match="starttls"):
        session_with(server)
    assert not [line for line in server.received if CANARY in line]


@pytest.mark.parametrize(
    ("answers", "kind", "condition"),
    [
        ([], Trouble, Condition.TIMED_OUT),
        ([("SELECT", CLOSE)], Trouble, Condition.UNREACHABLE),
        ([("SELECT", b"* BYE restarting\r\n")], Trouble, Condition.UNREACHABLE),
        ([("SELECT", b"* 2 EXISTS\r\n{tag} OK done\r\n")], Trouble, Condition.PROTOCOL_ERROR),
        ([("SELECT", b"* OK [UIDVALIDITY 0] x\r\n{tag} OK done\r\n")], Trouble, Condition.PROTOCOL_ERROR),
        ([("SELECT", b"* OK [UIDVALIDITY x] x\r\n{tag} OK done\r\n")], Trouble, Condition.PROTOCOL_ERROR),
        ([("SELECT", b"{tag} NO [NONEXISTENT] none\r\n"), ("LIST", OK)], Refused, Condition.FOLDER_MISSING),
        (
            [("SELECT", b"{tag} NO parent only\r\n"), ("LIST", b'* LIST (\\NoSelect) "/" INBOX\r\n{tag} OK done\r\n')],
            Refused,
            Condition.FOLDER_MISSING,
        ),
        (
            [("SELECT", b"{tag} NO internal error\r\n"), ("LIST", b'* LIST () "/" INBOX\r\n{tag} OK done\r\n')],
            Trouble,
            Condition.PROTOCOL_ERROR,
        ),
        ([("SELECT", b"{tag} NO [INUSE] locked\r\n")], Trouble, Condition.THROTTLED),
        (
            [("SELECT", b"* OK [UIDVALIDITY 7] x\r\n{tag} OK [READ-ONLY] x\r\n")],
            Refused,
            Condition.ACKNOWLEDGE_REFUSED,
        ),
        ([SELECTED, ("UID SEARCH", b"* SEARCH x y\r\n{tag} OK done\r\n")], Trouble, Condition.PROTOCOL_ERROR),
        ([SELECTED, ("UID SEARCH", b"\xff\xfe\r\n")], Trouble, Condition.PROTOCOL_ERROR),
        (
            [
                SELECTED,
                ("UID SEARCH", b"* SEARCH 3\r\n{tag} OK done\r\n"),
                ("UID FETCH", b"* 1 FETCH (((\r\n{tag} OK done\r\n"),
            ],
            Trouble,
            Condition.PROTOCOL_ERROR,
        ),
        (
            [SELECTED, ("UID SEARCH", b"* SEARCH 3\r\n{tag} OK done\r\n"), ("UID FETCH", b"{tag} NO [LIMIT] slow\r\n")],
            Trouble,
            Condition.THROTTLED,
        ),
    ],
    ids=[
        "silent",
        "closes",
        "BYE",
        "no UIDVALIDITY",
        "UIDVALIDITY 0",
        "UIDVALIDITY x",
        "missing",
        "not selectable",
        "cannot now",
        "in use",
        "read-only",
        "SEARCH without numbers",
        "garbage",
        "FETCH torn",
        "FETCH throttled",
    ],
)
def test_a_listing_that_fails_is_no_empty_listing(
    answers: Answers, kind: type[Exception], condition: Condition
) -> None:
    with ScriptedServer(talking(*LOGGED_IN, *answers)) as server:
        session = session_with(server)
        with pytest.raises(ReconcilerError) as caught:
            session.list("INBOX", (), None)
        session.close()
    assert isinstance(caught.value, Refused | Trouble)
    assert (type(caught.value), caught.value.condition) == (kind, condition)


def test_unasked_for_flags_are_not_taken_for_another_mails() -> None:
    described = (
        b'* 1 FETCH (UID 3 RFC822.SIZE 5 INTERNALDATE "01-May-2026 10:00:00 +0200" FLAGS ())\r\n'
        b"* 3 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (UID 99 RFC822.SIZE 5)\r\n{tag} OK done\r\n"
    )
    answers = (SELECTED, ("UID SEARCH", b"* SEARCH 3\r\n{tag} OK done\r\n"), ("UID FETCH", described))
    with ScriptedServer(talking(*LOGGED_IN, *answers)) as server:
        session = session_with(server)
        (mail,) = session.list("INBOX", (), None).mails
        session.close()
    assert (mail.uid, mail.size, mail.seen) == ("3", 5, False)


def test_listing_an_empty_folder_takes_one_command() -> None:
    empty = ("SELECT", b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK done\r\n")
    with ScriptedServer(talking(*LOGGED_IN, empty)) as server:
        session = session_with(server)
        assert session.list("INBOX", (), None) == Listing("INBOX", 7, ())
        session.close()


def test_throttled_inside_an_ok_makes_the_next_listing_wait() -> None:
    answers = (SELECTED, ("UID SEARCH", b"* SEARCH\r\n{tag} OK [THROTTLED] done\r\n"))
    with ScriptedServer(talking(*LOGGED_IN, *answers)) as server:
        session = session_with(server)
        assert session.list("INBOX", (), None).mails == ()
        with pytest.raises(Trouble) as caught:
            session.list("INBOX", (), None)
        session.close()
    assert (caught.value.condition, caught.value.retry_after) == (Condition.THROTTLED, 60)


@pytest.mark.parametrize("body", [b'""', b"NIL", b"{0}\r\n"], ids=["empty", "NIL", "empty literal"])
def test_an_empty_body_is_an_error_and_the_others_are_given(body: bytes) -> None:
    fetched = b"* 1 FETCH (UID 3 BODY[] " + body + b")\r\n* 2 FETCH (UID 9 BODY[] {4}\r\nmail)\r\n{tag} OK done\r\n"
    answers = (SELECTED, ("UID FETCH", fetched), ("NOOP", OK), ("UID SEARCH", b"* SEARCH 3\r\n{tag} OK done\r\n"))
    given: list[Fetched] = []
    with ScriptedServer(talking(*LOGGED_IN, *answers)) as server:
        session = session_with(server)
        with pytest.raises(Trouble, match="UID 3") as caught:
            given.extend(session.fetch(LISTING, ["3", "9"]))
        session.close()
    assert caught.value.condition is Condition.PROTOCOL_ERROR
    assert [(mail.uid, mail.raw) for mail in given] == [("9", b"mail")]


def test_a_body_cut_short_is_no_mail() -> None:
    with ScriptedServer(
        talking(*LOGGED_IN, SELECTED, ("UID FETCH", b"* 1 FETCH (UID 3 BODY[] {9}\r\nshort"))
    ) as server:
        session = session_with(server)
        with pytest.raises(Trouble) as caught:
            list(session.fetch(LISTING, ["3"]))
        session.close()
        assert server.received[-1].endswith("UID FETCH 3 (BODY.PEEK[])")
    assert caught.value.condition is Condition.TIMED_OUT


@pytest.mark.parametrize("how", ["seen", "delete", "move"])
def test_what_the_server_refuses_is_told(how: str) -> None:
    no = b"{tag} NO not allowed\r\n"
    present = ("UID SEARCH", b"* SEARCH 3 9\r\n{tag} OK done\r\n")
    answers = (SELECTED, ("UID STORE", no), ("UID EXPUNGE", OK), ("UID MOVE", no), ("NOOP", OK), present)
    with ScriptedServer(talking(*LOGGED_IN, *answers)) as server:
        session = session_with(server)
        assert session.acknowledge(LISTING, ["3", "9"], how, "Done").refused == {"3", "9"}
        session.close()


@pytest.mark.parametrize("how", ["delete", "move"])
def test_without_uidplus_nothing_is_removed_unless_the_mailbox_is_exclusive(how: str) -> None:
    with ScriptedServer(talking(*BARE, SELECTED)) as server:
        session = session_with(server)
        assert session.copier is not None
        copied = partial(session.copier.copy, LISTING, ["3"], "Done")
        deleted = partial(session.acknowledge, LISTING, ["3"], "delete", None)
        tell: Callable[[], Acknowledged] = copied if how == "move" else deleted
        with pytest.raises(Refused, match="expunge: exclusive") as caught:
            tell()
        session.close()
    assert caught.value.condition is Condition.ACKNOWLEDGE_REFUSED
    assert not [line for line in server.received if "STORE" in line or "EXPUNGE" in line or "COPY" in line]


@pytest.mark.parametrize(
    ("capabilities", "how", "said"),
    [
        (["UIDPLUS"], "delete", ["UID STORE 3,9 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 3,9"]),
        ([], "delete", ["UID STORE 3,9 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"]),
        (["MOVE"], "move", ['UID MOVE 3,9 "Done"']),
        (["UIDPLUS"], "move", ['UID COPY 3,9 "Done"', "UID STORE 3,9 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 3,9"]),
        ([], "move", ['UID COPY 3,9 "Done"', "UID STORE 3,9 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"]),
    ],
    ids=["delete", "delete, exclusive", "move", "move by copy", "move by copy, exclusive"],
)
def test_mails_are_removed_by_what_the_server_offers(capabilities: list[str], how: str, said: list[str]) -> None:
    answers = (offering(*capabilities), *LOGGED_IN[1:], SELECTED, ("UID", OK), ("EXPUNGE", OK))
    with ScriptedServer(talking(*answers)) as server:
        session = session_with(server, expunge="exclusive")
        if how == "move" and session.copier is not None:
            assert session.copier.copy(LISTING, ["9", "3"], "Done").done == {"3", "9"}
            how = "delete"
        assert session.acknowledge(LISTING, ["9", "3"], how, "Done").refused == frozenset()
        session.close()
        spoken = [line.partition(" ")[2] for line in server.received]
    assert spoken[spoken.index('SELECT "INBOX"') + 1 : -1] == said


def test_abort_ends_a_hanging_call() -> None:
    patient = Limits(connect=5, command=60)
    with ScriptedServer(talking(*LOGGED_IN)) as server:
        session = open_session(settings_for(server), Secret(CANARY), patient)
        ended: list[BaseException] = []

        def hang() -> None:
            try:
                session.list("INBOX", (), None)
            except Trouble as error:
                ended.append(error)

        thread = threading.Thread(target=hang, daemon=True)
        thread.start()
        server.wait_for("SELECT")
        session.abort()
        thread.join(10)
        session.close()
    assert [type(error) for error in ended] == [Trouble]
