"""The POP3 door against a real Dovecot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.fetch import Listing
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Limits, Session
from reconciler.protocol.pop3 import open_session
from reconciler.protocol.pop3_settings import POP3, Pop3Settings
from tests.rig.dovecot import Dovecot

Addresses = Callable[[str], str]
LIMITS = Limits(connect=5, command=5)
CANARY = "Kanarie-Vogel-77"


def mail(number: int, text: str = "x") -> bytes:
    return f"Subject: mail {number}\r\n\r\n.{text}\r\n".encode()


def settings_for(dovecot: Dovecot, user: str, **changes: Any) -> Pop3Settings:
    plain = {"host": "127.0.0.1", "port": dovecot.pop3_port, "security": "none", "username": user}
    return Pop3Settings.model_validate({**plain, "password": {"secret": "any"}, **changes})


@contextmanager
def session_of(dovecot: Dovecot, user: str, **changes: Any) -> Iterator[Session]:
    session = open_session(settings_for(dovecot, user, **changes), Secret(dovecot.password), LIMITS)
    try:
        yield session
    finally:
        session.close()


@pytest.fixture
def user(dovecot: Dovecot, fresh_address: Addresses) -> str:
    """A mailbox with three mails."""
    name = fresh_address("support")
    for number in (1, 2, 3):
        dovecot.deliver(name, mail(number))
    return name


def uids(listing: Listing) -> list[str]:
    return [listed.uid for listed in listing.mails]


def left(dovecot: Dovecot, user: str) -> list[bytes]:
    return [stored.raw for stored in dovecot.messages(user)]


@pytest.mark.usefixtures("tls_environment")
@pytest.mark.parametrize(
    ("security", "port"), [("tls", "pop3_tls_port"), ("starttls", "pop3_port"), ("none", "pop3_port")]
)
def test_a_mailbox_is_read_over_each_security(dovecot: Dovecot, user: str, security: str, port: str) -> None:
    with session_of(dovecot, user, security=security, host="localhost", port=getattr(dovecot, port)) as session:
        listing = session.list("", (), None)
        fetched = list(session.fetch(listing, uids(listing)))
    assert [(one.folder, one.uidvalidity, one.raw) for one in fetched] == [("", 0, mail(n)) for n in (1, 2, 3)]
    assert [one.size for one in listing.mails] == [len(mail(n)) for n in (1, 2, 3)]


@pytest.mark.parametrize(("security", "port"), [("tls", "pop3_tls_port"), ("starttls", "pop3_port")])
def test_a_certificate_nobody_vouches_for_is_refused(dovecot: Dovecot, user: str, security: str, port: str) -> None:
    with (
        pytest.raises(Refused, match="certificate is not trusted") as caught,
        session_of(dovecot, user, security=security, host="localhost", port=getattr(dovecot, port)),
    ):
        pass
    assert caught.value.condition is Condition.TLS_FAILED


def test_a_wrong_password_is_refused_and_never_shown(dovecot: Dovecot, user: str) -> None:
    with pytest.raises(Refused, match="correct username or secret") as caught:
        open_session(settings_for(dovecot, user), Secret(CANARY), LIMITS)
    assert caught.value.condition is Condition.AUTH_FAILED
    assert CANARY not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_the_same_mail_has_the_same_uid_in_every_session(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        before = uids(session.list("", (), None))
    dovecot.expunge(user, [1])
    with session_of(dovecot, user) as session:
        assert uids(session.list("", (), None)) == before[1:]
        assert uids(session.list("", before[:2], None)) == before[2:]


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: long\r\n\r\n" + b"x" * 300_000 + b"\r\n",
        b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\nend\r\n",
        b"Subject: bytes\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
    ],
    ids=["a long line", "dots", "eight bits"],
)
def test_bytes_come_as_they_are(dovecot: Dovecot, fresh_address: Addresses, raw: bytes) -> None:
    user = fresh_address("support")
    dovecot.deliver(user, raw)
    with session_of(dovecot, user) as session:
        listing = session.list("", (), None)
        assert [one.raw for one in session.fetch(listing, uids(listing))] == [raw]


def test_deleted_mails_are_gone_only_after_finish(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user, after_fetch="delete") as session:
        listing = session.list("", (), None)
        told = uids(listing)[:2]
        list(session.fetch(listing, told))
        for _ in range(2):
            answer = session.acknowledge(listing, told, "delete", None)
            assert (answer.done, answer.refused) == (frozenset(), frozenset())
        assert len(left(dovecot, user)) == 3
        assert session.finish() == set(told)
        assert not session.usable
    assert left(dovecot, user) == [mail(3)]


@pytest.mark.parametrize("end", [Session.close, Session.abort], ids=["close", "abort"])
def test_a_session_that_is_not_finished_deletes_nothing(
    dovecot: Dovecot, user: str, end: Callable[[Session], None]
) -> None:
    with session_of(dovecot, user, after_fetch="delete") as session:
        listing = session.list("", (), None)
        session.acknowledge(listing, uids(listing), "delete", None)
        getattr(session, end.__name__)()
        assert session.finish() == frozenset()
    dovecot.bodies_retrieved(user)
    assert len(left(dovecot, user)) == 3


def test_a_mail_that_is_not_listed_any_more_counts_as_deleted(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user, after_fetch="delete") as session:
        listing = session.list("", (), None)
    dovecot.expunge(user, [1])
    with session_of(dovecot, user, after_fetch="delete") as session:
        assert session.acknowledge(listing, uids(listing)[:1], "delete", None).done == {uids(listing)[0]}


def test_heads_are_shown_without_fetching_a_body(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        listing = session.list("", (), None)
        heads = session.heads(listing, [*uids(listing)[:1], "unknown"])
    assert {uid: head.strip() for uid, head in heads.items()} == {uids(listing)[0]: b"Subject: mail 1"}
    assert dovecot.bodies_retrieved(user) == 0


def test_an_empty_mailbox_is_empty(dovecot: Dovecot, fresh_address: Addresses) -> None:
    with session_of(dovecot, fresh_address("support")) as session:
        assert session.list("", (), None).mails == ()


def test_a_session_that_is_over_says_so(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        listing = session.list("", (), None)
        session.finish()
        with pytest.raises(Trouble, match="over"):
            list(session.fetch(listing, uids(listing)))


@pytest.mark.parametrize(
    ("keys", "port"),
    [({}, 995), ({"security": "starttls"}, 110), ({"security": "none"}, 110), ({"port": 4}, 4)],
    ids=["tls", "starttls", "none", "given"],
)
def test_the_port_follows_the_security(keys: dict[str, Any], port: int) -> None:
    login = {"host": "mail.acme.example", "username": "support", "password": {"secret": "any"}}
    assert Pop3Settings.model_validate({**login, **keys}).effective_port == port


@pytest.mark.parametrize(
    "keys",
    [{"start": "unseen"}, {"start": "2026-01-31"}, {"after_fetch": "seen"}, {"folders": ["INBOX"]}],
    ids=["unseen", "date", "seen", "folders"],
)
def test_what_pop3_cannot_do_is_no_setting(keys: dict[str, Any]) -> None:
    login = {"host": "mail.acme.example", "username": "support", "password": {"secret": "any"}}
    with pytest.raises(ValidationError):
        POP3.settings.model_validate({**login, **keys})
