"""Mails on their way out: what servers answer, what is tried again and when, and what a person is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from reconciler.core.outbox import OutboxState
from reconciler.runtime.clock import utc_now
from tests.office import Office, text_of
from tests.world import World

SOON, LATER = timedelta(seconds=30), timedelta(minutes=2)


@pytest.fixture
def office(world: World) -> Office:
    """An office whose case C1 has a reply in the outbox."""
    made = Office(world)
    made.opened()
    made.command("reply", "C1", "--text", "Here you are.")
    return made


def results(office: Office, now: datetime) -> list[str]:
    return [line.result for line in office.send_at(now)]


def test_a_mail_is_told_with_its_outbox_id_case_recipient_message_id_and_result(office: Office) -> None:
    (line,) = office.lines("send", "--drain")
    (received,) = office.received()
    assert line == {
        "outbox": "O1",
        "case": "C1",
        "to": office.customer,
        "message_id": received["Message-ID"],
        "result": "sent",
    }
    assert list(line) == ["outbox", "case", "to", "message_id", "result"]
    assert office.lines("send", "--drain") == []


def test_a_mail_goes_to_one_recipient_in_a_transaction_of_its_own(office: Office) -> None:
    office.command("forward", "C1", "--to", office.expert)
    office.send()
    for address in (office.customer, office.expert):
        (envelope,) = office.world.smtp_server.envelopes(address)
        assert envelope.rcpt_tos == (address,)
        assert b"\nBcc:" not in envelope.data
        assert b"\nCc:" not in envelope.data


@pytest.mark.parametrize("behaviour", ["tempfail", "tempdata"])
def test_a_deferred_mail_is_tried_again_later_with_the_same_bytes(office: Office, behaviour: str) -> None:
    office.world.smtp_server.behave(office.customer, behaviour)
    before = office.queued(1)
    (line,) = office.lines("send", "--drain", check=4)
    assert line["result"] == "deferred"
    (row,) = office.outbox()
    assert (row.state, row.attempts, row.possibly_twice) == (OutboxState.QUEUED, 1, False)
    assert row.answer is not None
    assert row.answer.startswith("451 ")
    office.world.smtp_server.behave(office.customer, None)
    assert results(office, utc_now() + SOON) == []
    assert results(office, utc_now() + LATER) == ["sent"]
    (envelope,) = office.world.smtp_server.envelopes(office.customer)
    assert envelope.data == before
    assert office.outbox()[0].attempts == 2
    assert office.kinds("C1") == ["customer_message", "agent_reply"]


def test_waits_grow_from_try_to_try(office: Office) -> None:
    office.world.smtp_server.behave(office.customer, "tempfail")
    now = utc_now()
    assert results(office, now) == ["deferred"]
    assert results(office, now + timedelta(minutes=1)) == ["deferred"]
    assert results(office, now + timedelta(minutes=5)) == []
    assert results(office, now + timedelta(minutes=6)) == ["deferred"]


@pytest.mark.parametrize(("behaviour", "code"), [("permfail", "550 "), ("permdata", "554 ")])
def test_a_refused_mail_has_failed_and_the_case_says_so(office: Office, behaviour: str, code: str) -> None:
    office.world.smtp_server.behave(office.customer, behaviour)
    (line,) = office.lines("send", "--drain", check=4)
    assert line["result"] == "failed"
    entry = office.case("C1")["entries"][-1]
    assert (entry["kind"], entry["author"], entry["outbox"]) == ("event", "system", "O1")
    assert f"the reply to {office.customer} could not be sent: {code}" in entry["text"]
    office.world.smtp_server.behave(office.customer, None)
    assert results(office, utc_now() + timedelta(days=6)) == []
    assert office.received() == []


def test_after_five_days_of_tries_the_mail_has_failed(office: Office) -> None:
    office.world.smtp_server.behave(office.customer, "tempfail")
    now = utc_now()
    last = []
    while office.outbox()[0].state is OutboxState.QUEUED:
        last = results(office, now)
        now = office.outbox()[0].next_at
    assert last == ["failed"]
    assert timedelta(days=4) < now - utc_now() < timedelta(days=6)
    assert "could not be sent: 451" in office.case("C1")["entries"][-1]["text"]


def points_elsewhere(office: Office) -> None:
    world = office.world
    moved = world.account("support", office.support, smtp={"port": world.dovecot.own_port})
    world.unit("acme", world.with_own_secret("acme", moved, "elsewhere"))


def points_nowhere(office: Office) -> None:
    world = office.world
    moved = world.account("support", office.support, smtp={"port": 1})
    world.unit("acme", world.with_own_secret("acme", moved, "elsewhere"))


def loses_its_secret(office: Office) -> None:
    world = office.world
    world.unit("acme", world.account("support", office.support, smtp={"password": {"secret": "gone"}}))


def loses_its_server(office: Office) -> None:
    world = office.world
    world.unit(
        "acme",
        world.account("support", office.support, smtp=None, send_from="other"),
        world.account("other", world.fresh("other")),
    )


def has_a_wrong_password(office: Office) -> None:
    office.world.secret("acme", "support", "wrong")


@pytest.mark.parametrize(
    "change", [points_nowhere, points_elsewhere, loses_its_secret, loses_its_server, has_a_wrong_password]
)
def test_while_a_server_cannot_be_had_the_mail_waits(office: Office, change: Callable[[Office], None]) -> None:
    before = office.queued(1)
    change(office)
    office.command("apply")
    (line,) = office.lines("send", "--drain", check=4)
    assert line["result"] == "deferred"
    (row,) = office.outbox()
    assert (row.state, row.possibly_twice) == (OutboxState.QUEUED, False)
    assert row.answer
    assert office.world.dovecot.password not in row.answer
    world = office.world
    world.secret("acme", "support", world.dovecot.password)
    world.unit("acme", world.account("support", office.support))
    office.command("apply", check=None)
    assert results(office, utc_now() + LATER) == ["sent"]
    (envelope,) = world.smtp_server.envelopes(office.customer)
    assert envelope.data == before


def test_a_mail_lost_after_its_final_dot_is_sent_again_and_marked_possibly_twice(office: Office) -> None:
    office.world.smtp_server.behave(office.customer, "drop-after-dot")
    (line,) = office.lines("send", "--drain", check=4)
    assert line["result"] == "deferred"
    assert office.outbox()[0].possibly_twice
    office.world.smtp_server.behave(office.customer, None)
    assert results(office, utc_now() + LATER) == ["sent"]
    first, second = office.world.smtp_server.envelopes(office.customer)
    assert first == second
    (row,) = office.outbox()
    assert (row.state, row.possibly_twice, row.attempts) == (OutboxState.SENT, True, 2)
    assert office.json("explain", "message", "O1")["possibly_twice"]


def test_a_connection_lost_before_the_mail_is_no_doubt(office: Office) -> None:
    office.world.smtp_server.behave(office.customer, "drop-at-rcpt")
    office.lines("send", "--drain", check=4)
    assert not office.outbox()[0].possibly_twice
    assert office.world.smtp_server.envelopes(office.customer) == []


def test_one_refused_recipient_does_not_hold_up_the_others(office: Office) -> None:
    office.world.smtp_server.behave(office.customer, "permfail")
    other = office.outside("another", "customer.example")
    office.world.customer_writes(other, office.support)
    office.fetch()
    office.command("reply", "C2", "--text", "And you.")
    lines = office.lines("send", "--drain", check=4)
    assert [(line["case"], line["result"]) for line in lines] == [("C1", "failed"), ("C2", "sent")]
    assert ["And you." in text_of(m) for m in office.received(other)] == [True]


def test_a_step_sends_as_many_mails_of_an_account_as_its_send_weight(world: World) -> None:
    office = Office(world, support={"send_weight": 2})
    office.opened()
    for number in range(3):
        office.command("reply", "C1", "--text", f"Part {number}")
    assert [line["outbox"] for line in office.lines("send")] == ["O1", "O2"]
    assert [line["outbox"] for line in office.lines("send")] == ["O3"]
    assert [part in text_of(m) for part, m in zip(("0", "1", "2"), office.received(), strict=True)] == [True] * 3


def test_an_account_whose_server_is_away_does_not_hold_up_another(world: World) -> None:
    office = Office(world, reply={"smtp": {"port": 1}})
    office.opened()
    office.command("forward", "C1", "--to", office.expert)
    office.command("reply", "C1", "--text", "Hello")
    lines = office.lines("send", "--drain", check=4)
    assert {line["outbox"]: line["result"] for line in lines} == {"O1": "deferred", "O2": "sent"}


def test_the_text_output_is_a_line_a_mail(office: Office) -> None:
    assert office.command("send", "--drain").out == f"O1  C1  to {office.customer}  sent\n"


def test_over_tls_with_a_login(world: World) -> None:
    office = Office(world, support={"security": "none"})
    support = world.account("support", office.support, security="tls")
    support["imap"] = world.account("support", office.support)["imap"]
    world.unit("acme", world.with_own_secret("acme", support, "tls"))
    office.command("apply")
    office.opened()
    office.command("reply", "C1", "--text", "Hello")
    office.send()
    (envelope,) = world.smtp_server.envelopes(office.customer)
    assert (envelope.tls, envelope.user) == (True, office.support)
