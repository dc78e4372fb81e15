"""What rules ask for beside opening a case, and that two installations do not answer each other for ever."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

import pytest

from reconciler.core.cap import CAPS
from reconciler.core.routing import MOST_HOPS
from reconciler.runtime.explain import explain_message
from reconciler.store.cases import read_entries
from tests.mailroom import MailRoom, letter, tenant

CUSTOMER, EXPERT, COLLEAGUE = "carla@customer.example", "expert@partner.example", "boss@desk.example"


def room(then: dict[str, Any], domain: str = "acme.example", **more: Any) -> MailRoom:
    """An installation whose one rule does this with every mail."""
    rule = {"id": "all", "when": {}, "then": then}
    return MailRoom({"acme": tenant(domain, routing=[rule])}, **more)


def test_a_colleague_is_told_of_a_new_case_once() -> None:
    office = room({"notify": COLLEAGUE})
    office.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    assert office.outbox() == []
    assert (office.errands.look(), office.errands.look()) == (1, 0)
    (row,) = office.outbox()
    told = message_from_bytes(office.sent(row.id))
    assert (row.recipient, row.purpose, told["Auto-Submitted"]) == (COLLEAGUE, "notice", "auto-generated")
    assert "Where is it?" in str(told.get_payload())


def test_an_external_is_asked_and_the_answer_goes_to_the_customer() -> None:
    office = room({"refer": {"to": EXPERT, "text": "Please help."}})
    office.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    office.errands.look()
    (asked,) = office.outbox()
    question = message_from_bytes(office.sent(asked.id))
    assert (asked.recipient, asked.purpose) == (EXPERT, "forward")
    reply = letter(EXPERT, question["Reply-To"], "Re", "On Monday.", f"In-Reply-To: {question['Message-ID']}")
    office.receive("acme/reply", reply)
    assert [(row.recipient, row.purpose) for row in office.outbox()][1:] == [(CUSTOMER, "relay")]


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ({"notify": "sales@globex.example"}, "one of our own"),
        ({"refer": {"to": "reply@globex.example"}}, "one of our own"),
        ({"refer": {"to": CUSTOMER}}, "is the customer"),
    ],
    ids=["notify-ours", "refer-ours", "refer-customer"],
)
def test_what_cannot_be_done_stands_on_the_case_and_sends_nothing(then: dict[str, Any], why: str) -> None:
    acme = tenant("acme.example", routing=[{"id": "all", "when": {}, "then": then}])
    office = MailRoom({"acme": acme, "globex": tenant("globex.example")})
    office.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    office.errands.look()
    assert office.outbox() == []
    with office.read() as connection:
        assert any(why in entry.text for entry in read_entries(connection, 1))


@pytest.mark.field("ping-pong")
def test_two_installations_that_refer_to_each_other_end() -> None:
    ours = room({"refer": {"to": "support@globex.example"}}, instance="here")
    theirs = room({"refer": {"to": "support@acme.example"}}, "globex.example", instance="there")
    ours.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    taken = {id(ours): 0, id(theirs): 0}
    rounds = 0
    while rounds < 50:
        rounds += 1
        moved = 0
        for here, there in ((ours, theirs), (theirs, ours)):
            here.errands.look()
            rows = here.outbox()[taken[id(here)] :]
            taken[id(here)] += len(rows)
            for row in rows:
                moved += 1
                there.receive("acme/support", here.sent(row.id))
        if not moved:
            break
    mails = len(ours.outbox()) + len(theirs.outbox())
    assert rounds < 50
    assert mails <= MOST_HOPS + 1
    assert "loop" in ours.held() + theirs.held()


def test_a_robot_that_answers_everything_is_ended_by_the_caps() -> None:
    office = MailRoom({"acme": tenant("acme.example", referrals={"further_answers": "relay"})})
    office.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    office.ask(1, EXPERT)
    question = message_from_bytes(office.sent(1))
    for number in range(40):
        headers = (f"In-Reply-To: {question['Message-ID']}", f"Message-ID: <{number}@partner.example>")
        office.receive("acme/reply", letter(EXPERT, question["Reply-To"], "Re", f"Answer {number}.", *headers))
    to_customer = [row for row in office.outbox() if row.recipient == CUSTOMER]
    assert len(to_customer) == CAPS[0].most
    assert office.held() == ["too-many"] * 30
    office.later(minutes=11)
    headers = (f"In-Reply-To: {question['Message-ID']}", "Message-ID: <later@partner.example>")
    office.receive("acme/reply", letter(EXPERT, question["Reply-To"], "Re", "Later.", *headers))
    assert len([row for row in office.outbox() if row.recipient == CUSTOMER]) == CAPS[0].most + 1


def test_explain_says_what_a_rule_asked_for_and_what_became_of_it() -> None:
    office = room({"notify": COLLEAGUE, "refer": {"to": CUSTOMER}})
    mail_id = office.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    office.errands.look()
    with office.read() as connection:
        told, asked = explain_message(connection, f"M{mail_id}")["errands"]
    assert told == {"rule": "all", "kind": "notify", "to": [COLLEAGUE], "done": True, "outcome": None}
    assert "is the customer" in asked["outcome"]
