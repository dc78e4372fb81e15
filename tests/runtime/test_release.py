"""What a person does with held mail, and what even a person cannot do; and the doubts for which mails are held."""

from __future__ import annotations

import re
from email.message import Message

import pytest

from tests.office import ANSWER, Office, reply_to, text_of
from tests.runtime.test_routing import bounce
from tests.world import World, mail


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


@pytest.fixture
def asked(office: Office) -> Message:
    """A forward of C1 as the expert has it."""
    return office.forwarded(office.opened())


def bare(asked: Message) -> str:
    """The reply account's address without our token."""
    return re.sub(r"\+[a-z2-7]+", "", reply_to(asked))


def lost(office: Office, asked: Message, text: str = ANSWER) -> None:
    """The expert answers, and nothing in the mail says to what."""
    office.answers(asked, text, to=bare(asked), threaded=False)
    office.route()
    assert office.held() == ["uncorrelated"]


def relayed(office: Office) -> list[bool]:
    """Of each mail the customer has, whether it is the answer."""
    office.send()
    return [ANSWER in text_of(m) for m in office.received()]


# Released


def test_an_uncorrelated_answer_goes_where_a_person_says_it_belongs(office: Office, asked: Message) -> None:
    lost(office, asked)
    assert office.json("release", "H1", "--referral", "R1") == {
        "format_version": 1,
        "held": "H1",
        "action": "relay",
    }
    assert (relayed(office), office.held(), office.referral()["state"]) == ([True], [], "answered")
    assert office.kinds("C1")[-2:] == ["external_answer", "relay"]


def test_an_uncorrelated_answer_to_an_inquiry_goes_to_the_agent(office: Office) -> None:
    office.world.environment["RECONCILER_AGENT"] = agent = office.outside("agent", "staff.example")
    (asked,) = office.asked(office.opened())
    lost(office, asked)
    assert office.json("release", "H1", "--referral", "R1")["action"] == "to_agent"
    office.send()
    assert [ANSWER in text_of(m) for m in office.received(agent)] == [True]
    assert (office.received(), office.kinds("C1")[-1]) == ([], "note")


def test_with_a_case_alone_the_mail_stands_there_and_nobody_gets_it(office: Office, asked: Message) -> None:
    lost(office, asked)
    assert office.json("release", "H1", "--case", "C1")["action"] == "continue_case"
    assert (relayed(office), office.held(), office.referral()["state"]) == ([], [], "waiting")
    assert office.case("C1")["entries"][-1]["text"] == ANSWER


def test_without_a_place_it_stays_held_and_the_way_out_is_told(office: Office, asked: Message) -> None:
    lost(office, asked)
    done = office.command("release", "H1", check=1)
    assert "H1 stays held: uncorrelated" in done.err
    assert "--referral" in done.err
    assert office.held() == ["uncorrelated"]


@pytest.mark.parametrize(
    ("headers", "sender", "reason"),
    [
        (["Cc: {customer}"], None, "customer-copied"),
        (["List-Id: <experts.lists.example>", "Precedence: list"], None, "not-human"),
        ([], "other@elsewhere.example", "unexpected-sender"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_person_has_looked_at_is_relayed(
    office: Office, asked: Message, headers: list[str], sender: str | None, reason: str
) -> None:
    office.answers(asked, ANSWER, *(h.format(customer=office.customer) for h in headers), sender=sender)
    office.route()
    assert (relayed(office), office.held()) == ([], [reason])
    office.command("release", "H1")
    assert (relayed(office), office.held(), office.referral()["state"]) == ([True], [], "answered")


def test_a_further_answer_is_relayed_by_a_person(office: Office, asked: Message) -> None:
    office.answers(asked, "It was Tuesday.")
    office.route()
    office.answers(asked)
    office.route()
    assert office.held() == ["further-answer"]
    office.command("release", "H1")
    assert relayed(office) == [False, True]


def test_an_answer_to_a_closed_case_is_relayed_by_a_person_and_the_case_stays_closed(
    office: Office, asked: Message
) -> None:
    office.command("close", "C1")
    office.answers(asked)
    office.route()
    office.command("release", "H1")
    assert (relayed(office), office.case("C1")["state"]) == ([True], "closed")


def test_a_mail_that_a_rule_held_opens_its_case(world: World) -> None:
    office = Office(world, routing=[{"id": "all", "when": {}, "then": {"hold": True, "queue": "late"}}])
    world.customer_writes(office.customer, office.support)
    office.fetch()
    assert (office.held(), office.cases()) == (["by-rule"], [])
    assert office.json("release", "H1")["action"] == "open_case"
    assert [case["queue"] for case in office.cases()] == ["late"]


# What nobody relays


@pytest.mark.parametrize("place", [(), ("--referral", "R1"), ("--case", "C1")], ids=" ".join)
def test_a_bounce_is_never_relayed_whoever_releases_it(office: Office, asked: Message, place: tuple[str, ...]) -> None:
    raw = bounce(office, asked).replace(asked["Message-ID"].encode(), b"<unknown@partner.example>")
    office.submit(raw, bare(asked), "")
    office.route()
    assert office.held() == ["uncorrelated"]
    done = office.command("release", "H1", *place, check=0 if place else 1)
    assert ("file" in done.out) is bool(place)
    assert (relayed(office), office.held() == []) == ([], bool(place))
    assert office.referral()["state"] == ("bounced" if "R1" in place else "waiting")


def test_an_absence_note_is_never_relayed_whoever_releases_it(office: Office, asked: Message) -> None:
    office.answers(asked, "I am away.", "Auto-Submitted: auto-replied", to=bare(asked), threaded=False)
    office.route()
    assert office.json("release", "H1", "--referral", "R1")["action"] == "file"
    assert (relayed(office), office.referral()["state"]) == ([], "waiting")


@pytest.mark.parametrize("place", [(), ("--referral", "R1")], ids=" ".join)
def test_a_mail_from_an_address_of_ours_stays_held(office: Office, asked: Message, place: tuple[str, ...]) -> None:
    office.answers(asked, sender=office.support)
    office.route()
    assert office.held() == ["own-address"]
    office.command("release", "H1", *place, check=1)
    assert (relayed(office), office.held()) == ([], ["own-address"])


# Once only


def test_what_was_released_is_not_released_again(office: Office, asked: Message) -> None:
    lost(office, asked)
    office.command("release", "H1", "--referral", "R1")
    for again in (("release", "H1", "--referral", "R1"), ("discard", "H1")):
        assert "H1 was decided already: released: relay" in office.command(*again, check=1).err
    assert relayed(office) == [True]


def test_a_copy_that_was_held_before_is_not_relayed_twice(office: Office, asked: Message) -> None:
    raw = mail(f"Erika <{office.expert}>", bare(asked), "Answer", ANSWER)
    for _ in range(2):
        office.submit(raw, bare(asked), office.expert)
    office.route()
    for held in ("H1", "H2"):
        office.command("release", held, "--referral", "R1")
    assert (relayed(office), office.held()) == ([True], [])
    assert office.kinds("C1")[-3:] == ["external_answer", "relay", "event"]


def test_a_discarded_mail_has_no_effect_and_keeps_its_bytes(office: Office, asked: Message) -> None:
    lost(office, asked)
    assert office.json("discard", "H1", "--reason", "spam") == {
        "format_version": 1,
        "held": "H1",
        "action": "discard",
    }
    assert (relayed(office), office.held(), office.kinds("C1")) == ([], [], ["customer_message", "forward"])
    assert "discarded: spam" in office.command("release", "H1", "--referral", "R1", check=1).err
    told = office.json("explain", "message", "M2")
    assert told["held"]["resolution"] == "discarded: spam"
    assert told["fetched"]["size"] > 0


# Tenants


def test_a_mail_is_not_released_into_another_tenants_case(world: World) -> None:
    office, other = Office(world, reply={"subaddressing": "+"}), Office(world, unit="globex")
    office.opened()
    theirs = other.forwarded(other.opened())
    world.customer_writes(office.expert, office.reply_account, "Lost", ANSWER)
    office.fetch()
    for place in (("--case", "C2"), ("--referral", "R1")):
        assert "there is no case C2 of acme" in office.command("release", "H1", *place, check=1).err
    assert theirs is not None
    assert (relayed(office), relayed(other), office.held()) == ([], [], ["uncorrelated"])


def test_nor_is_one_whose_token_names_the_tenant_though_it_came_to_a_main_account(world: World) -> None:
    office, other = Office(world), Office(world, unit="globex")
    asked = office.forwarded(office.opened())
    other.opened()
    office.answers(asked, sender=office.outside("other", "elsewhere.example"))
    office.fetch()
    assert office.held() == ["unexpected-sender"]
    assert "there is no case C2 of acme" in office.command("release", "H1", "--case", "C2", check=1).err
    assert relayed(other) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("release", "H9"), "no held mail H9"),
        (("discard", "H9"), "no held mail H9"),
        (("release", "H1", "--case", "C9"), "no case C9"),
        (("release", "H1", "--referral", "R9"), "no referral R9"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_there_is_not_is_told(office: Office, asked: Message, arguments: tuple[str, ...], words: str) -> None:
    lost(office, asked)
    assert words in office.command(*arguments, check=1).err
    assert office.held() == ["uncorrelated"]


# Doubts


def test_an_external_who_writes_to_the_customer_as_well_is_not_relayed(office: Office, asked: Message) -> None:
    office.answers(asked, ANSWER, f"Cc: Carla <{office.customer}>")
    office.route()
    assert (office.received(), office.held()) == ([], ["customer-copied"])
    assert office.referral()["state"] == "waiting"


def test_nothing_goes_to_a_customer_whose_address_has_become_one_of_ours(office: Office, asked: Message) -> None:
    world = office.world
    world.unit("acme", world.account("support", office.support), world.account("new", office.customer, smtp=None))
    office.command("apply")
    assert "one of our own accounts" in office.command("reply", "C1", "--text", "Hello", check=None).err
    office.answers(asked)
    office.route()
    assert (office.held(), world.smtp_server.envelopes(office.customer)) == (["cannot-send"], [])


def test_an_answer_that_comes_before_our_sending_is_written_down_is_relayed(office: Office) -> None:
    office.opened()
    office.command("forward", "C1", "--to", f"Erika Expert <{office.expert}>")
    (queued,) = office.outbox()
    office.submit(office.queued(queued.id), office.expert, queued.mail_from)
    office.answers(office.received(office.expert)[0])
    office.route()
    assert relayed(office) == [True]
    assert office.referral()["state"] == "answered"


def test_a_bounce_of_a_relay_is_a_delivery_error(office: Office, asked: Message) -> None:
    office.answers(asked)
    office.route()
    office.submit(bounce(office, office.received()[0]), office.support, "")
    office.route()
    (error,) = office.json("outbox", "--errors")["outbox"]
    assert (error["purpose"], error["state"], error["to"], error["bounced"]) == (
        "relay",
        "sent",
        office.customer,
        "5.1.1",
    )
    assert "could not be delivered (5.1.1)" in office.case("C1")["entries"][-1]["text"]
    assert "relay  sent, bounced" in office.command("outbox", "--errors").out


def test_a_delay_is_no_delivery_error(office: Office, asked: Message) -> None:
    office.submit(bounce(office, asked, "4.4.1", "delayed"), reply_to(asked), "")
    office.route()
    assert office.json("outbox", "--errors")["outbox"] == []


def test_a_refused_mail_is_a_delivery_error_with_the_servers_words(office: Office, asked: Message) -> None:
    office.world.smtp_server.behave(office.customer, "permfail")
    office.answers(asked)
    office.fetch()
    office.command("send", "--drain", check=4)
    (error,) = office.json("outbox", "--errors")["outbox"]
    assert (error["purpose"], error["state"], error["answer"][:4]) == ("relay", "failed", "550 ")
    assert len(office.json("outbox")["outbox"]) == 2
