"""The IMAP door against a real Dovecot."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.fetch import Listing
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol import imap
from reconciler.protocol.base import Limits, Session
from reconciler.protocol.imap import open_session
from reconciler.protocol.imap_flow import Manners
from reconciler.protocol.imap_handover import ImapOpener
from reconciler.protocol.imap_settings import IMAP, ImapSettings
from tests.protocol.doors import by_flow
from tests.rig.dovecot import Dovecot

Addresses = Callable[[str], str]
LIMITS = Limits(connect=5, command=5)


@pytest.fixture(params=["thread", "flow", "pipelining flow"], autouse=True)
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test asks the same of both doors."""
    if request.param != "thread":
        opener = ImapOpener(lambda: Manners(pipelines=request.param == "pipelining flow"))
        monkeypatch.setattr(sys.modules[__name__], "open_session", by_flow(opener))


def mail(number: int, size: int = 0) -> bytes:
    return f"Subject: mail {number}\r\n\r\n.{'x' * size}\r\n".encode()


def settings_for(dovecot: Dovecot, user: str, **changes: Any) -> ImapSettings:
    plain = {"host": "127.0.0.1", "port": dovecot.port, "security": "none", "username": user}
    return ImapSettings.model_validate({**plain, "password": {"secret": "any"}, **changes})


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


@pytest.mark.parametrize(
    ("security", "host", "port"),
    [("tls", "localhost", "tls_port"), ("tls", "127.0.0.1", "tls_port"), ("starttls", "localhost", "port")],
)
def test_a_trusted_server_is_read_over_tls(
    dovecot: Dovecot, user: str, tls_environment: None, security: str, host: str, port: str
) -> None:
    with session_of(dovecot, user, security=security, host=host, port=getattr(dovecot, port)) as session:
        listing = session.list("INBOX", (), None)
        assert [fetched.raw for fetched in session.fetch(listing, uids(listing))] == [mail(1), mail(2), mail(3)]


@pytest.mark.parametrize(("security", "port"), [("tls", "tls_port"), ("starttls", "port")])
def test_a_certificate_nobody_vouches_for_is_refused(dovecot: Dovecot, user: str, security: str, port: str) -> None:
    with (
        pytest.raises(Refused, match="SSL_CERT_FILE") as caught,
        session_of(dovecot, user, host="localhost", security=security, port=getattr(dovecot, port)),
    ):
        pass
    assert caught.value.condition is Condition.TLS_FAILED
    assert dovecot.logins(user) == 0


def test_a_certificate_of_another_host_is_refused(dovecot: Dovecot, user: str, tls_environment: None) -> None:
    with (
        pytest.raises(Refused, match="correct host") as caught,
        session_of(dovecot, user, host="127.1", security="tls", port=dovecot.tls_port),
    ):
        pass
    assert caught.value.condition is Condition.TLS_FAILED


def test_tls_to_a_port_without_it_is_trouble(dovecot: Dovecot, user: str) -> None:
    with pytest.raises(Trouble) as caught, session_of(dovecot, user, security="tls", port=dovecot.port):
        pass
    assert caught.value.condition is Condition.TLS_FAILED


@pytest.mark.parametrize("password", ["Wrong-Canary", "Wrong-Cänary", 'Wrong "\\ Canary', "Wrong\r\nCanary"])
def test_a_wrong_password_is_refused_and_never_shown(dovecot: Dovecot, user: str, password: str) -> None:
    with pytest.raises(Refused, match="correct username or secret") as caught:
        open_session(settings_for(dovecot, user), Secret(password), LIMITS)
    assert caught.value.condition is Condition.AUTH_FAILED
    assert "anary" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("name", ['max "the box" (mustermann)', "größe@acme.example", "a\\b"])
def test_any_printable_user_name_logs_in(dovecot: Dovecot, name: str) -> None:
    with session_of(dovecot, name) as session:
        assert session.list("INBOX", (), None).mails == ()


def test_the_plug_in_opens_this_door() -> None:
    assert IMAP.load() is imap.open_session


def test_listing_fetches_no_body_and_changes_no_flag(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        listing = session.list("INBOX", (), None)
    assert uids(listing) == ["1", "2", "3"]
    assert listing.uidvalidity == dovecot.uidvalidity(user)
    assert [(listed.size, listed.seen) for listed in listing.mails] == [(len(mail(1)), False)] * 3
    assert dovecot.bodies_fetched(user) == 0
    assert {stored.flags for stored in dovecot.messages(user)} == {frozenset()}


def test_what_is_known_is_not_listed(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        assert uids(session.list("INBOX", {"1", "2"}, None)) == ["3"]
        assert uids(session.list("INBOX", ["1", "2", "3"], None)) == []


def test_a_seen_mail_is_listed_as_seen_with_its_date(dovecot: Dovecot, fresh_address: Addresses) -> None:
    user, when = fresh_address("support"), datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    dovecot.deliver(user, mail(1), seen=True, internal_date=when)
    with session_of(dovecot, user) as session:
        (listed,) = session.list("INBOX", (), None).mails
    assert (listed.seen, listed.internal_date) == (True, when)


def test_since_leaves_out_what_is_older_by_more_than_a_day(dovecot: Dovecot, fresh_address: Addresses) -> None:
    user, floor = fresh_address("support"), datetime(2026, 3, 10, 12, tzinfo=UTC)
    for number, age in enumerate((timedelta(days=30), timedelta(hours=20), timedelta(hours=-1))):
        dovecot.deliver(user, mail(number), internal_date=floor - age)
    with session_of(dovecot, user) as session:
        assert uids(session.list("INBOX", (), floor)) == ["2", "3"]


@pytest.mark.parametrize("since", [None, datetime(2020, 1, 1, tzinfo=UTC)], ids=["all", "since"])
def test_a_folder_too_full_for_one_answer_is_searched_in_windows(
    dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch, since: datetime | None
) -> None:
    monkeypatch.setattr(imap, "_UIDS_PER_SEARCH", 2)
    with session_of(dovecot, user) as session:
        assert uids(session.list("INBOX", (), since)) == ["1", "2", "3"]


def test_one_session_serves_many_rounds_and_sees_new_mail(dovecot: Dovecot, user: str) -> None:
    known: set[str] = set()
    with session_of(dovecot, user) as session:
        for number in (4, 5):
            listing = session.list("INBOX", known, None)
            assert len(list(session.fetch(listing, uids(listing)))) == len(listing.mails)
            assert session.acknowledge(listing, uids(listing), "seen", None).refused == frozenset()
            known.update(uids(listing))
            dovecot.deliver(user, mail(number))
        assert uids(session.list("INBOX", known, None)) == ["5"]
    assert dovecot.logins(user) == 1
    assert dovecot.bodies_fetched(user) == 4


@pytest.mark.parametrize("bytes_per_fetch", [1, 5000, 10**9])
def test_each_body_is_fetched_once_however_large(
    dovecot: Dovecot, fresh_address: Addresses, monkeypatch: pytest.MonkeyPatch, bytes_per_fetch: int
) -> None:
    monkeypatch.setattr(imap, "_BYTES_PER_FETCH", bytes_per_fetch)
    user = fresh_address("support")
    raws = [mail(number, size) for number, size in enumerate((10, 3000, 100_000, 20))]
    for raw in raws:
        dovecot.deliver(user, raw)
    with session_of(dovecot, user) as session:
        listing = session.list("INBOX", (), None)
        assert [fetched.raw for fetched in session.fetch(listing, uids(listing))] == raws
    assert dovecot.bodies_fetched(user) == 4


def test_only_the_asked_mails_are_fetched_and_a_vanished_one_is_left_out(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        listing = session.list("INBOX", (), None)
        dovecot.expunge(user, [2])
        fetched = list(session.fetch(listing, ["3", "2"]))
    assert [(one.uid, one.raw, one.uidvalidity) for one in fetched] == [("3", mail(3), listing.uidvalidity)]


def test_a_fetched_mail_stays_unseen(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        listing = session.list("INBOX", (), None)
        assert len(list(session.fetch(listing, uids(listing)))) == 3
    assert {stored.flags for stored in dovecot.messages(user)} == {frozenset()}


@pytest.mark.parametrize(
    ("how", "left", "flags"),
    [("keep", [1, 2, 3], set()), ("seen", [1, 2, 3], {"\\Seen"}), ("delete", [2], set()), ("move", [2], set())],
)
def test_acknowledging_does_what_it_says(
    dovecot: Dovecot, user: str, how: str, left: list[int], flags: set[str]
) -> None:
    dovecot.create_folder(user, "Erledigt/Größe & mehr")
    move_to = "Erledigt/Größe & mehr" if how == "move" else None
    with session_of(dovecot, user, after_fetch=how, move_to=move_to) as session:
        listing = session.list("INBOX", (), None)
        assert session.acknowledge(listing, ["1", "3"], how, move_to).refused == frozenset()
    kept = dovecot.messages(user)
    assert [stored.uid for stored in kept] == left
    assert {stored.uid: stored.flags for stored in kept} == {
        uid: frozenset(flags) if uid != 2 else frozenset() for uid in left
    }
    moved = [stored.raw for stored in dovecot.messages(user, "Erledigt/Größe & mehr")]
    assert moved == ([mail(1), mail(3)] if how == "move" else [])


@pytest.mark.parametrize("how", ["seen", "delete", "move"])
def test_a_vanished_mail_counts_as_acknowledged(dovecot: Dovecot, user: str, how: str) -> None:
    dovecot.create_folder(user, "Done")
    with session_of(dovecot, user) as session:
        listing = session.list("INBOX", (), None)
        dovecot.expunge(user, [1, 2, 3])
        assert session.acknowledge(listing, uids(listing), how, "Done").refused == frozenset()


def test_mail_another_client_marked_deleted_is_not_removed(dovecot: Dovecot, user: str) -> None:
    dovecot.flag(user, [2], "\\Deleted")
    with session_of(dovecot, user, after_fetch="delete") as session:
        listing = session.list("INBOX", (), None)
        session.acknowledge(listing, ["1"], "delete", None)
    assert [stored.uid for stored in dovecot.messages(user)] == [2, 3]


def test_moving_to_a_missing_folder_says_so(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        listing = session.list("INBOX", (), None)
        with pytest.raises(Refused, match="move_to") as caught:
            session.acknowledge(listing, ["1"], "move", "Nowhere")
    assert caught.value.condition is Condition.FOLDER_MISSING
    assert len(dovecot.messages(user)) == 3


def test_a_missing_folder_says_so(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        with pytest.raises(Refused, match="Rückfragen") as caught:
            session.list("Rückfragen", (), None)
        assert caught.value.condition is Condition.FOLDER_MISSING
        assert len(session.list("INBOX", (), None).mails) == 3


def test_folders_are_read_side_by_side_under_their_own_names(dovecot: Dovecot, user: str) -> None:
    dovecot.create_folder(user, 'Rückfragen "Süd" & Co')
    dovecot.deliver(user, mail(9), folder='Rückfragen "Süd" & Co')
    with session_of(dovecot, user) as session:
        listings = [session.list(folder, (), None) for folder in ("INBOX", 'Rückfragen "Süd" & Co')]
        raws = [[fetched.raw for fetched in session.fetch(listing, ["1"])] for listing in listings]
        assert session.acknowledge(listings[0], ["1"], "seen", None).refused == frozenset()
    assert raws == [[mail(1)], [mail(9)]]
    assert [stored.uid for stored in dovecot.messages(user) if stored.flags] == [1]


def test_a_changed_uidvalidity_stops_the_use_of_old_uids(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        listing = session.list("INBOX", (), None)
    dovecot.bump_uidvalidity(user)
    with session_of(dovecot, user) as session, pytest.raises(Trouble, match="UIDVALIDITY"):
        session.acknowledge(listing, ["1"], "delete", None)
    assert len(dovecot.messages(user)) == 3


def test_a_cut_session_is_unreachable(dovecot: Dovecot, user: str) -> None:
    with session_of(dovecot, user) as session:
        dovecot.kill_sessions(user)
        with pytest.raises(Trouble) as caught:
            session.list("INBOX", (), None)
    assert caught.value.condition is Condition.UNREACHABLE
