"""The SMTP door against a real server, and against scripted ones that misbehave."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from reconciler.core.endpoint import SmtpSettings
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.outbox import Outcome
from reconciler.core.secret import Secret
from reconciler.protocol.base import Limits
from reconciler.protocol.smtp import SmtpConnection, open_connection
from tests.rig.dovecot import Dovecot
from tests.rig.scripted import CLOSE, CLOSES_AT_ONCE, GARBAGE, NOTHING, SILENT, Script, ScriptedServer, greets
from tests.rig.smtp_server import SmtpServer

Addresses = Callable[[str], str]
LIMITS = Limits(connect=5, command=5, final_answer=5)
IMPATIENT = Limits(connect=0.2, command=0.2, final_answer=0.2)
MAIL = b"From: a@acme.example\r\nSubject: x\r\n\r\n.one dot\r\n..two\r\n.\r\nend\r\n"
SENDER = "support@acme.example"
CANARY = "Kanarie-Vogel-77"


def settings_for(server: SmtpServer | ScriptedServer, **changes: Any) -> SmtpSettings:
    plain = {"host": "127.0.0.1", "port": server.port, "security": "none"}
    return SmtpSettings.model_validate({**plain, **changes})


@contextmanager
def connection_to(
    server: SmtpServer | ScriptedServer, *, limits: Limits = LIMITS, secret: Secret | None = None, **changes: Any
) -> Iterator[SmtpConnection]:
    connection = open_connection(settings_for(server, **changes), secret, limits)
    try:
        yield connection
    finally:
        connection.close()


def login(name: str = "support@acme.example") -> dict[str, Any]:
    return {"username": name, "password": {"secret": "any"}}


@pytest.mark.parametrize(
    "data",
    [MAIL, b".\r\n", b"a: b\r\n\r\n" + b".x\r\n" * 40_000, b"a: b\r\n\r\n\xc3\xbc\r\n", b"a: b\r\n\r\n\r\n"],
    ids=["dots", "a dot alone", "large", "8 bit", "empty lines at the end"],
)
def test_an_accepted_mail_arrives_as_it_was_given(
    dovecot: Dovecot, smtp_server: SmtpServer, fresh_address: Addresses, data: bytes
) -> None:
    expert = fresh_address("expert")
    with connection_to(smtp_server) as connection:
        delivery = connection.deliver(SENDER, expert, data)
    assert (delivery.outcome, delivery.code) == (Outcome.ACCEPTED, 250)
    (envelope,) = smtp_server.envelopes(expert)
    assert (envelope.mail_from, envelope.rcpt_tos, envelope.data) == (SENDER, (expert,), data)
    assert len(dovecot.messages(expert)) == 1


def test_a_last_line_without_its_end_gets_one(smtp_server: SmtpServer, fresh_address: Addresses) -> None:
    expert = fresh_address("expert")
    with connection_to(smtp_server) as connection:
        connection.deliver(SENDER, expert, b"a: b\r\n\r\nc")
    assert smtp_server.envelopes(expert)[0].data == b"a: b\r\n\r\nc\r\n"


def test_an_empty_sender_is_allowed(smtp_server: SmtpServer, fresh_address: Addresses) -> None:
    expert = fresh_address("expert")
    with connection_to(smtp_server) as connection:
        assert connection.deliver("", expert, MAIL).outcome is Outcome.ACCEPTED
    assert smtp_server.envelopes(expert)[0].mail_from == ""


@pytest.mark.parametrize(
    ("who", "outcome", "code", "status"),
    [
        ("tempfail", Outcome.TEMPORARY, 451, "4.3.0"),
        ("permfail", Outcome.PERMANENT, 550, "5.1.1"),
        ("tempdata", Outcome.TEMPORARY, 451, "4.3.0"),
        ("permdata", Outcome.PERMANENT, 554, "5.6.0"),
    ],
)
def test_a_refusal_is_told_apart_and_the_next_mail_goes_on(
    smtp_server: SmtpServer, fresh_address: Addresses, who: str, outcome: Outcome, code: int, status: str
) -> None:
    refused, expert = fresh_address(who), fresh_address("expert")
    with connection_to(smtp_server) as connection:
        delivery = connection.deliver(SENDER, refused, MAIL)
        assert connection.deliver(SENDER, expert, MAIL).outcome is Outcome.ACCEPTED
    assert (delivery.outcome, delivery.code, delivery.status) == (outcome, code, status)
    assert smtp_server.envelopes(refused) == []
    assert len(smtp_server.envelopes(expert)) == 1


def test_a_connection_lost_after_the_dot_is_unknown(smtp_server: SmtpServer, fresh_address: Addresses) -> None:
    expert = fresh_address("drop-after-dot")
    with connection_to(smtp_server) as connection:
        delivery = connection.deliver(SENDER, expert, MAIL)
        assert (delivery.outcome, delivery.code) == (Outcome.UNKNOWN, None)
        assert not connection.usable
        assert connection.deliver(SENDER, fresh_address("expert"), MAIL).outcome is Outcome.TEMPORARY
    assert len(smtp_server.envelopes(expert)) == 1


def test_no_answer_to_the_dot_is_unknown(smtp_server: SmtpServer, fresh_address: Addresses) -> None:
    with connection_to(smtp_server, limits=Limits(connect=5, command=5, final_answer=0.1)) as connection:
        delivery = connection.deliver(SENDER, fresh_address("hang"), MAIL)
    assert (delivery.outcome, delivery.code) == (Outcome.UNKNOWN, None)
    assert "in time" in delivery.text


def test_a_connection_lost_before_the_dot_is_temporary(smtp_server: SmtpServer, fresh_address: Addresses) -> None:
    with connection_to(smtp_server) as connection:
        delivery = connection.deliver(SENDER, fresh_address("drop-at-rcpt"), MAIL)
    assert (delivery.outcome, delivery.code) == (Outcome.TEMPORARY, None)


@pytest.mark.parametrize(("security", "port"), [("tls", "tls_port"), ("starttls", "port")])
@pytest.mark.parametrize("name", ["support@acme.example", "größe@acme.example"])
def test_a_trusted_server_takes_mail_over_tls_after_login(
    smtp_server: SmtpServer, fresh_address: Addresses, tls_environment: None, security: str, port: str, name: str
) -> None:
    expert, secret = fresh_address("expert"), Secret(smtp_server.password)
    changes = {"host": "localhost", "security": security, "port": getattr(smtp_server, port), **login(name)}
    with connection_to(smtp_server, secret=secret, **changes) as connection:
        assert connection.deliver(SENDER, expert, MAIL).outcome is Outcome.ACCEPTED
    (envelope,) = smtp_server.envelopes(expert)
    assert (envelope.tls, envelope.user) == (True, name)


@pytest.mark.parametrize(("security", "port"), [("tls", "tls_port"), ("starttls", "port")])
def test_a_certificate_nobody_vouches_for_is_refused(smtp_server: SmtpServer, security: str, port: str) -> None:
    changes = {"host": "localhost", "security": security, "port": getattr(smtp_server, port)}
    with pytest.raises(Refused, match="SSL_CERT_FILE") as caught, connection_to(smtp_server, **changes):
        pass
    assert caught.value.condition is Condition.TLS_FAILED


def test_a_certificate_of_another_host_is_refused(smtp_server: SmtpServer, tls_environment: None) -> None:
    changes: dict[str, Any] = {"host": "127.1", "security": "tls", "port": smtp_server.tls_port}
    with pytest.raises(Refused, match="correct host") as caught, connection_to(smtp_server, **changes):
        pass
    assert caught.value.condition is Condition.TLS_FAILED


def test_a_server_without_starttls_is_refused(smtp_server: SmtpServer) -> None:
    changes: dict[str, Any] = {"security": "starttls", "port": smtp_server.old_port}
    with pytest.raises(Refused, match="security: tls") as caught, connection_to(smtp_server, **changes):
        pass
    assert caught.value.condition is Condition.TLS_FAILED


def test_a_server_without_login_is_refused(smtp_server: SmtpServer) -> None:
    with (
        pytest.raises(Refused, match="offers no login") as caught,
        connection_to(smtp_server, secret=Secret(CANARY), port=smtp_server.old_port, **login()),
    ):
        pass
    assert caught.value.condition is Condition.AUTH_FAILED


def test_a_wrong_password_is_refused_and_never_shown(smtp_server: SmtpServer) -> None:
    with pytest.raises(Refused, match="535") as caught, connection_to(smtp_server, secret=Secret(CANARY), **login()):
        pass
    assert caught.value.condition is Condition.AUTH_FAILED
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_login_without_its_secret_is_not_tried(smtp_server: SmtpServer) -> None:
    with pytest.raises(Refused) as caught, connection_to(smtp_server, **login()):
        pass
    assert caught.value.condition is Condition.SECRET_MISSING


@pytest.mark.parametrize(
    ("recipient", "data", "text"),
    [
        ("größe@acme.example", MAIL, "SMTPUTF8"),
        ("a@b.example>\r\nRCPT TO:<c@d.example", MAIL, "characters"),
        ("", MAIL, "empty"),
        ("a@b.example", b"a: b\r\n\r\n" + b"x" * 70_000, "65536 at most"),
        ("a@b.example", b"a: b\r\n\r\nc\n.\nMAIL FROM:<d@e.example>\r\n", "CRLF"),
        ("a@b.example", b"a: b\r\n\r\nc\rd\r\n", "CRLF"),
        ("a@b.example", b"a: b\r\n\r\nc\0d\r\n", "NUL"),
    ],
    ids=["not ASCII", "injection", "nobody", "too large", "bare LF", "bare CR", "NUL"],
)
def test_what_cannot_be_sent_is_permanent_and_not_sent(
    smtp_server: SmtpServer, recipient: str, data: bytes, text: str
) -> None:
    before = len(smtp_server.envelopes())
    with connection_to(smtp_server, port=smtp_server.old_port) as connection:
        delivery = connection.deliver(SENDER, recipient, data)
        assert connection.usable
    assert (delivery.outcome, delivery.code) == (Outcome.PERMANENT, None)
    assert text in delivery.text
    assert len(smtp_server.envelopes()) == before


def test_an_address_beyond_ascii_goes_to_a_server_that_takes_it(smtp_server: SmtpServer) -> None:
    smtp_server.behave("größe@acme.example", "permfail")
    with connection_to(smtp_server) as connection:
        assert connection.deliver(SENDER, "größe@acme.example", MAIL).code == 550


EHLO = ("EHLO", b"250-mx.example\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
OPENING = [
    EHLO,
    ("MAIL", b"250 ok\r\n"),
    ("RCPT", b"250 ok\r\n"),
    ("DATA", b"354 go\r\n"),
    ("RSET", b"250 ok\r\n"),
    ("QUIT", CLOSE),
]


def smtp(*answers: tuple[str, bytes]) -> Script:
    return Script(b"220 mx.example\r\n", answers, tagged=False)


@pytest.mark.parametrize(
    ("script", "condition"),
    [
        (None, Condition.UNREACHABLE),
        (SILENT, Condition.TIMED_OUT),
        (CLOSES_AT_ONCE, Condition.UNREACHABLE),
        (GARBAGE, Condition.PROTOCOL_ERROR),
        (greets("220 mx.example"), Condition.TIMED_OUT),
        (greets("421 4.7.0 too many connections"), Condition.THROTTLED),
        (greets("554 no service"), Condition.UNREACHABLE),
        (smtp(("EHLO", CLOSE)), Condition.UNREACHABLE),
    ],
    ids=["refuses", "silent", "closes", "garbage", "silent after greeting", "421", "554", "closes at EHLO"],
)
def test_a_server_that_cannot_be_had_is_trouble(script: Script | None, condition: Condition) -> None:
    with ScriptedServer(script) as server, pytest.raises(Trouble) as caught:
        open_connection(settings_for(server), None, IMPATIENT)
    assert caught.value.condition is condition


def test_data_from_before_tls_is_refused() -> None:
    script = smtp(EHLO, ("STARTTLS", b"220 go\r\n250 injected\r\n"))
    with ScriptedServer(script) as server, pytest.raises(Refused, match="before TLS") as caught:
        open_connection(settings_for(server, security="starttls"), None, IMPATIENT)
    assert caught.value.condition is Condition.TLS_FAILED


@pytest.mark.parametrize(
    ("answer", "error", "condition"),
    [
        (b"535 5.7.8 no such luck %s\r\n", Refused, Condition.AUTH_FAILED),
        (b"454 4.7.0 later %s\r\n", Trouble, Condition.THROTTLED),
        (b"what is %s\r\n", Trouble, Condition.PROTOCOL_ERROR),
        (CLOSE, Trouble, Condition.UNREACHABLE),
    ],
    ids=["535", "454", "garbage", "closes"],
)
def test_a_server_that_echoes_the_password_does_not_make_us_show_it(
    answer: bytes, error: type[Exception], condition: Condition
) -> None:
    spellings = [CANARY, *(base64.b64encode(raw.encode()).decode() for raw in (CANARY, f"\0support\0{CANARY}"))]
    echo = answer.replace(b"%s", " ".join(spellings).encode())
    with ScriptedServer(smtp(EHLO, ("AUTH", echo))) as server, pytest.raises(error) as caught:
        open_connection(settings_for(server, **login("support")), Secret(CANARY), IMPATIENT)
    assert isinstance(caught.value, Refused | Trouble)
    assert caught.value.condition is condition
    assert not any(spelling in str(caught.value) for spelling in spellings)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    ("answers", "outcome", "code"),
    [
        ([EHLO, ("MAIL", CLOSE)], Outcome.TEMPORARY, None),
        ([EHLO], Outcome.TEMPORARY, None),
        ([EHLO, ("MAIL", b"nonsense\r\n")], Outcome.TEMPORARY, None),
        ([EHLO, ("MAIL", b"421 4.3.2 closing\r\n")], Outcome.TEMPORARY, 421),
        ([*OPENING[:3], ("DATA", b"250 what\r\n")], Outcome.TEMPORARY, 250),
        ([*OPENING, (".", b"nonsense\r\n")], Outcome.UNKNOWN, None),
        ([*OPENING, (".", b"354 again\r\n")], Outcome.UNKNOWN, 354),
        ([*OPENING, (".", CLOSE)], Outcome.UNKNOWN, None),
        (OPENING, Outcome.UNKNOWN, None),
        ([*OPENING, (".", b"250-2.0.0 kept\r\n250 as 7\r\n")], Outcome.ACCEPTED, 250),
    ],
    ids=[
        "closes at MAIL",
        "silent at MAIL",
        "nonsense at MAIL",
        "421 at MAIL",
        "250 to DATA",
        "nonsense after dot",
        "354 after dot",
        "closes after dot",
        "silent after dot",
        "two lines",
    ],
)
def test_what_became_of_a_mail_is_never_guessed(
    answers: Sequence[tuple[str, bytes]], outcome: Outcome, code: int | None
) -> None:
    with ScriptedServer(smtp(*answers)) as server, connection_to(server, limits=IMPATIENT) as connection:
        delivery = connection.deliver(SENDER, "expert@partner.example", MAIL)
        assert connection.usable is (outcome is Outcome.ACCEPTED)
    assert (delivery.outcome, delivery.code) == (outcome, code)


def test_the_answer_to_the_dot_may_take_longer_than_any_other() -> None:
    limits = Limits(connect=0.5, command=0.5, final_answer=1.0)
    with ScriptedServer(smtp(*OPENING)) as server, connection_to(server, limits=limits) as connection:
        begin = time.monotonic()
        connection.deliver(SENDER, "expert@partner.example", MAIL)
        assert time.monotonic() - begin >= limits.final_answer


def test_after_an_accepted_mail_other_answers_must_be_quick_again() -> None:
    limits = Limits(connect=0.5, command=0.5, final_answer=60)
    answers = [*OPENING, (".", b"250 ok\r\n"), ("MAIL", NOTHING)]
    with ScriptedServer(smtp(*answers)) as server, connection_to(server, limits=limits) as connection:
        assert connection.deliver(SENDER, "expert@partner.example", MAIL).outcome is Outcome.ACCEPTED
        begin = time.monotonic()
        assert connection.deliver(SENDER, "silent@partner.example", MAIL).outcome is Outcome.TEMPORARY
        assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("command", "answer", "fault"),
    [
        ("MAIL", b"530 5.7.0 Authentication required\r\n", Condition.AUTH_FAILED),
        ("MAIL", b"550 5.7.57 Client was not authenticated\r\n", Condition.AUTH_FAILED),
        ("RCPT", b"535 5.7.8 credentials expired\r\n", Condition.AUTH_FAILED),
        ("MAIL", b"538 5.7.11 encryption required\r\n", Condition.TLS_FAILED),
        ("MAIL", b"550 5.7.60 no permission to send as this sender\r\n", None),
        ("RCPT", b"550 5.7.1 relaying denied\r\n", None),
        ("RCPT", b"550 5.1.1 no such user\r\n", None),
        ("MAIL", b"552 5.3.4 too large\r\n", None),
    ],
    ids=["530", "5.7.57", "535", "538", "5.7.60", "relaying", "no such user", "552"],
)
def test_a_refusal_of_the_account_is_told_from_one_of_the_mail(
    command: str, answer: bytes, fault: Condition | None
) -> None:
    script = smtp((command, answer), *OPENING)
    with ScriptedServer(script) as server, connection_to(server, limits=IMPATIENT) as connection:
        delivery = connection.deliver(SENDER, "expert@partner.example", MAIL)
        assert connection.usable
    assert delivery.fault is fault
    assert delivery.outcome is (Outcome.PERMANENT if fault is None else Outcome.TEMPORARY)
    assert answer[:3].decode() in f"{delivery.code} {delivery.text}"


@pytest.mark.parametrize(
    ("answer", "alive"),
    [(b"250 ok\r\n", True), (b"421 idle\r\n", False), (CLOSE, False), (NOTHING, False)],
    ids=["answers", "421", "closed", "silent"],
)
def test_an_idle_connection_is_asked_whether_it_still_serves(answer: bytes, alive: bool) -> None:
    script = smtp(EHLO, ("NOOP", answer))
    with ScriptedServer(script) as server, connection_to(server, limits=IMPATIENT) as connection:
        assert connection.alive() is connection.usable is alive


def test_what_a_server_offers_is_told(smtp_server: SmtpServer, tls_environment: None) -> None:
    changes: dict[str, Any] = {"host": "localhost", "security": "starttls", "port": smtp_server.port}
    with connection_to(smtp_server, **changes) as connection:
        assert (connection.offer.tls, "PLAIN" in connection.offer.auth) == (True, True)
        assert connection.offer.size == 33554432
    with connection_to(smtp_server, port=smtp_server.old_port) as connection:
        assert (connection.offer.tls, connection.offer.auth, connection.offer.size) == (False, (), 65536)
