"""An external's answer to an inquiry reaches the agent who asked, and the case as a note; the customer gets nothing."""

from __future__ import annotations

from datetime import timedelta
from email.message import Message

import pytest

from reconciler.core.referral import ReferralKind
from reconciler.runtime.clock import utc_now
from reconciler.runtime.referring import refer
from tests.office import ANSWER, QUESTION, Office, header, reply_to, text_of
from tests.runtime.test_routing import bounce
from tests.world import World


@pytest.fixture
def agent(world: World) -> str:
    """The acting agent's mailbox, which no other test writes to."""
    world.environment["RECONCILER_AGENT"] = world.fresh("agent").replace("acme.example", "staff.example")
    return world.environment["RECONCILER_AGENT"]


@pytest.fixture
def office(world: World, agent: str) -> Office:
    return Office(world, name="Acme Ltd")


@pytest.fixture
def asked(office: Office) -> Message:
    """An inquiry about C1 as the expert has it."""
    (found,) = office.asked(office.opened())
    return found


def nothing_to_the_customer(office: Office) -> bool:
    return office.received() == [] and office.world.smtp_server.envelopes(office.customer) == []


# The question


def test_an_inquiry_comes_from_the_second_level_account_and_asks_for_an_answer_there(
    office: Office, asked: Message
) -> None:
    (envelope,) = office.world.smtp_server.envelopes(office.expert)
    local, _, domain = office.world.main_second_level.partition("@")
    assert header(asked, "From") == f"Main-Second-Level <{office.world.main_second_level}>"
    assert reply_to(asked).startswith(f"{local}+")
    assert reply_to(asked).endswith(f"@{domain}")
    assert envelope.mail_from == reply_to(asked)
    assert header(asked, "Subject") == "[Acme Ltd C1] Inquiry: My parcel"
    assert "Do you know?" in text_of(asked)
    assert f"> {QUESTION}" in text_of(asked)


def test_the_tenants_own_second_level_account_goes_before_the_main_one(world: World, agent: str) -> None:
    office = Office(world)
    own = world.fresh("second")
    world.unit("acme", world.account("support", office.support), world.account("second", own, "second-level-reply"))
    office.command("apply")
    (asked,) = office.asked(office.opened())
    assert (reply_to(asked), office.referral()["account"]) == (own, "acme/second")
    office.answers(asked)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received(agent)] == [True]


# The answer


def test_the_answer_lies_in_the_agents_mailbox_and_as_a_note_on_the_case(
    office: Office, asked: Message, agent: str
) -> None:
    office.answers(asked)
    office.route()
    (told,) = office.received(agent)
    assert ANSWER in text_of(told)
    assert f"Erika Expert <{office.expert}> answered your inquiry on case C1" in text_of(told)
    assert header(told, "Subject") == "[Acme Ltd C1] Answer: My parcel"
    assert header(told, "From") == f"Main-Second-Level <{office.world.main_second_level}>"
    note = office.case("C1")["entries"][-1]
    assert (note["kind"], note["text"], note["referral"]) == ("note", ANSWER, "R1")
    assert office.expert in note["author"]
    assert nothing_to_the_customer(office)
    referral = office.referral()
    assert (referral["state"], referral["answered"], referral["late"]) == ("answered", True, False)
    assert (referral["target"]["address"], office.held()) == (agent, [])


def test_a_file_goes_along_to_the_agent(office: Office, asked: Message, agent: str) -> None:
    part = "--m\nContent-Type: text/plain\n\n{}\n--m\nContent-Type: application/pdf\n"
    body = part.format(ANSWER) + 'Content-Disposition: attachment; filename="plan.pdf"\n\n%PDF-1.4\n--m--'
    office.answers(asked, body, "Content-Type: multipart/mixed; boundary=m")
    office.route()
    (told,) = office.received(agent)
    assert [p.get_filename() for p in told.walk() if p.get_filename()] == ["plan.pdf"]


def test_a_second_answer_goes_to_the_agent_too(office: Office, asked: Message, agent: str) -> None:
    office.answers(asked)
    office.route()
    office.answers(asked, "It was Tuesday.")
    office.route()
    assert [("Tuesday" in text_of(m)) for m in office.received(agent)] == [False, True]
    assert (office.held(), office.kinds("C1")[-2:]) == ([], ["note", "note"])
    assert nothing_to_the_customer(office)


def test_an_answer_that_is_late_goes_to_the_agent_and_is_marked_late(office: Office, agent: str) -> None:
    case = office.opened()
    with office.desk() as desk:
        desk.agent = agent
        refer(desk, int(case[1:]), ReferralKind.INQUIRY, [office.expert], "?", utc_now() - timedelta(days=61))
    office.send()
    assert office.reminded_at(utc_now()) == 1
    assert office.referral()["state"] == "expired"
    office.answers(office.received(office.expert)[0])
    office.route()
    assert [ANSWER in text_of(m) for m in office.received(agent)] == [True]
    referral = office.referral()
    assert (referral["state"], referral["late"], office.held()) == ("answered", True, [])
    assert "late" in office.command("referrals").out
    assert nothing_to_the_customer(office)


def test_an_answer_comes_to_the_agent_though_the_case_was_closed(office: Office, asked: Message, agent: str) -> None:
    office.command("close", "C1")
    office.answers(asked)
    office.route()
    assert len(office.received(agent)) == 1
    assert office.case("C1")["state"] == "closed"


def test_the_same_mail_twice_reaches_the_agent_once(office: Office, asked: Message, agent: str) -> None:
    raw = office.answers(asked)
    office.submit(raw, reply_to(asked), office.expert)
    office.route()
    assert len(office.received(agent)) == 1
    assert office.kinds("C1")[-2:] == ["note", "event"]


def test_a_strangers_answer_is_held(office: Office, asked: Message, agent: str) -> None:
    office.answers(asked, sender=office.outside("other", "elsewhere.example"))
    office.route()
    assert (office.received(agent), office.held()) == ([], ["unexpected-sender"])


def test_an_absence_is_noted_and_nobody_is_written_to(office: Office, asked: Message, agent: str) -> None:
    office.answers(asked, "I am out of the office until 14 March 2026.", "Auto-Submitted: auto-replied")
    office.route()
    assert (office.referral()["out_of_office_until"], office.received(agent), office.held()) == ("2026-03-14", [], [])


def test_a_bounce_ends_the_waiting_and_is_a_delivery_error(office: Office, asked: Message) -> None:
    office.submit(bounce(office, asked), reply_to(asked), "")
    office.route()
    assert (office.referral()["state"], office.referral()["trouble"]) == ("bounced", "5.1.1")
    (error,) = office.json("outbox", "--errors")["outbox"]
    assert (error["purpose"], error["to"], error["bounced"]) == ("inquiry", office.expert, "5.1.1")


def test_an_answer_to_the_reply_account_instead_is_the_inquirys(office: Office, asked: Message, agent: str) -> None:
    local, _, domain = office.world.main_reply.partition("@")
    token = reply_to(asked).partition("+")[2].partition("@")[0]
    office.answers(asked, to=f"{local}+{token}@{domain}", threaded=False)
    office.route()
    assert len(office.received(agent)) == 1
    assert nothing_to_the_customer(office)


def test_the_agents_reply_to_that_mail_goes_to_nobody_by_itself(office: Office, asked: Message, agent: str) -> None:
    office.answers(asked)
    office.route()
    (told,) = office.received(agent)
    office.answers(told, "Thank you!", sender=agent)
    office.route()
    assert office.held() == ["unexpected-sender"]
    assert len(office.received(office.expert)) == 1
    assert nothing_to_the_customer(office)


# Who cannot be asked, who cannot be told


def test_an_agent_who_is_an_account_of_ours_cannot_inquire(office: Office) -> None:
    case = office.opened()
    done = office.command(
        "inquire", case, "--to", office.expert, "--text", "?", "--agent", office.support.upper(), check=None
    )
    assert done.code != 0
    assert "one of our own accounts" in done.err
    assert office.referrals() == []


def test_an_agent_who_has_become_an_account_of_ours_is_not_written_to(
    office: Office, asked: Message, agent: str
) -> None:
    world = office.world
    world.unit("acme", world.account("support", office.support), world.account("new", agent, smtp=None))
    office.command("apply")
    office.answers(asked)
    office.route()
    assert (office.held(), office.received(agent)) == (["cannot-send"], [])
    assert office.referral()["state"] == "waiting"


# Several contacts


def test_several_contacts_are_asked_each_by_a_mail_of_its_own_and_their_referrals_are_one_group(
    office: Office, agent: str
) -> None:
    other = office.outside("other", "partner.example")
    first, second, again = office.asked(office.opened(), office.expert, other, office.expert.upper())
    assert first["Message-ID"] == again["Message-ID"]
    assert reply_to(first) != reply_to(second)
    assert (first["Message-ID"] != second["Message-ID"], other in str(first), office.expert in str(second)) == (
        True,
        False,
        False,
    )
    assert [(r["id"], r["group"], r["contact"]["address"]) for r in office.referrals()] == [
        ("R1", "R1", office.expert),
        ("R2", "R1", other),
    ]
    office.answers(second, "Tuesday", sender=other)
    office.route()
    assert [r["state"] for r in office.referrals()] == ["waiting", "answered"]
    office.answers(first, "Monday")
    office.route()
    assert [r["state"] for r in office.referrals()] == ["answered", "answered"]
    assert [("Tuesday" in text_of(m), "Monday" in text_of(m)) for m in office.received(agent)] == [
        (True, False),
        (False, True),
    ]


def test_each_of_several_forwards_has_one_effect(office: Office) -> None:
    other = office.outside("other", "partner.example")
    case = office.opened()
    office.command("forward", case, "--to", office.expert, "--to", other)
    office.send()
    (first,), (second,) = office.received(office.expert), office.received(other)
    for _ in range(2):
        raw = office.answers(first, "Monday")
        office.submit(raw, reply_to(first), office.expert)
        office.answers(second, "Tuesday", sender=other)
        office.route()
        assert sorted(text_of(m).strip() for m in office.received()) == ["Monday", "Tuesday"]
    assert [r["state"] for r in office.referrals()] == ["answered", "answered"]


def test_too_many_contacts_are_refused_and_nobody_is_asked(office: Office) -> None:
    case = office.opened()
    to = [word for number in range(21) for word in ("--to", f"e{number}@partner.example")]
    assert "several goes" in office.command("forward", case, *to, check=1).err
    assert office.referrals() == []


def test_one_wrong_address_among_several_asks_nobody(office: Office) -> None:
    case = office.opened()
    office.command("forward", case, "--to", office.expert, "--to", office.customer, check=None)
    assert (office.referrals(), office.outbox()) == ([], [])
