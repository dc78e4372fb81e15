"""Through which account a forward goes, where its answer comes back to, and to whom nothing is forwarded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.office import ANSWER, Office, header, reply_to, text_of
from tests.world import World


def serving(office: Office) -> Any:
    return office.json("explain", "serving", office.unit, "reply")


def test_a_tenants_own_reply_account_serves_it(world: World) -> None:
    office = Office(world, reply={})
    explained = serving(office)
    assert (explained["account"], explained["address"]) == ("acme/reply", office.reply_account)
    assert explained["why"] == "acme/reply is acme's only enabled account of type reply"
    asked = office.forwarded(office.opened())
    assert (reply_to(asked), header(asked, "From")) == (office.reply_account, f"Reply <{office.reply_account}>")


def test_the_main_reply_account_serves_a_tenant_without_one(world: World) -> None:
    office = Office(world)
    explained = serving(office)
    assert (explained["account"], explained["address"]) == ("main/main-reply", world.main_reply)
    assert explained["why"] == "acme has no enabled account of type reply, so the main account serves it"
    asked = office.forwarded(office.opened())
    assert reply_to(asked).startswith(world.main_reply.partition("@")[0] + "+")
    assert header(asked, "From") == f"Main-Reply <{world.main_reply}>"


def test_a_disabled_reply_account_does_not_serve(world: World) -> None:
    office = Office(world, reply={"enabled": False})
    explained = serving(office)
    assert (explained["account"], explained["rejected"]) == ("main/main-reply", ["acme/reply: disabled"])
    assert world.main_reply.partition("@")[0] in reply_to(office.forwarded(office.opened()))


def test_the_account_an_inbound_account_names_serves_its_cases(world: World) -> None:
    office = Office(world, reply={"default": True})
    second = world.fresh("second")
    support = world.account("support", office.support, reply_via="second")
    reply = world.account("reply", office.reply_account, "reply", default=True)
    world.unit("acme", support, reply, world.account("second", second, "reply"))
    office.command("apply")
    assert office.json("explain", "serving", "acme", "reply", "--via", "second")["account"] == "acme/second"
    assert serving(office)["account"] == "acme/reply"
    assert reply_to(office.forwarded(office.opened())) == second


def test_an_answer_to_the_tenants_own_account_is_found_by_its_thread(world: World) -> None:
    office = Office(world, reply={})
    case = office.opened()
    office.answers(office.forwarded(case))
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    assert office.referral()["account"] == "acme/reply"


@pytest.mark.parametrize("own", [True, False], ids=["own account", "main account"])
def test_with_subaddressing_the_recipients_token_alone_finds_the_referral(world: World, own: bool) -> None:
    office = Office(world, reply={"subaddressing": "+"} if own else None)
    asked = office.forwarded(office.opened())
    (envelope,) = world.smtp_server.envelopes(office.expert)
    base = office.reply_account if own else world.main_reply
    local, _, domain = base.partition("@")
    assert reply_to(asked) == envelope.mail_from
    assert reply_to(asked).startswith(f"{local}+")
    assert reply_to(asked).endswith(f"@{domain}")
    assert len(reply_to(asked)) == len(base) + 35
    office.answers(asked, threaded=False)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]


def test_a_mail_program_that_writes_the_address_in_capitals_does_no_harm(world: World) -> None:
    office = Office(world)
    asked = office.forwarded(office.opened())
    office.answers(asked, to=reply_to(asked).upper(), threaded=False)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]


def test_the_question_reaches_the_expert_with_the_agents_words_and_the_files(world: World) -> None:
    office = Office(world)
    body = "--m\nContent-Type: text/plain\n\nHow?\n--m\nContent-Type: application/pdf\nContent-Disposition: attachment;"
    body += " filename=bill.pdf\n\n%PDF\n--m--"
    world.customer_writes(office.customer, office.support, "Bill", body, "Content-Type: multipart/mixed; boundary=m")
    office.fetch()
    asked = office.forwarded("C1")
    assert "Can you help?" in text_of(asked)
    assert "> How?" in text_of(asked)
    assert header(asked, "Subject") == "[acme C1] Bill"
    assert [part.get_filename() for part in asked.walk() if part.get_filename()] == ["bill.pdf"]


def test_the_forward_does_not_tell_the_expert_who_the_customer_is(world: World) -> None:
    office = Office(world)
    asked = office.forwarded(office.opened())
    assert office.customer not in str(asked)


def test_n_contacts_are_n_referrals_each_with_its_own_token(world: World) -> None:
    office = Office(world)
    case = office.opened()
    other = office.outside("other", "partner.example")
    addresses = {reply_to(office.forwarded(case)), reply_to(office.forwarded(case, other))}
    assert len(addresses) == 2
    assert [r["contact"]["address"] for r in office.json("referrals")["referrals"]] == [office.expert, other]


def own_addresses(office: Office) -> list[str]:
    world = office.world
    local, _, domain = office.support.partition("@")
    return [office.support, office.support.upper(), f"{local}+x@{domain}", world.main_reply, world.main_second_level]


def test_nothing_is_forwarded_to_an_address_of_ours(world: World) -> None:
    office = Office(world)
    case = office.opened()
    for address in own_addresses(office):
        done = office.command("forward", case, "--to", address, check=1)
        assert done.err == f"reconciler: {address} is the address of one of our own accounts; nothing is sent there\n"
    assert (office.json("referrals")["referrals"], office.lines("send", "--drain")) == ([], [])


def test_nothing_is_forwarded_to_the_customer(world: World) -> None:
    office = Office(world)
    done = office.command("forward", office.opened(), "--to", office.customer.upper(), check=1)
    assert "is the customer of the case; use `reconciler reply`" in done.err


@pytest.mark.parametrize("to", ["nobody", "a@b", "a b@c.example", "x <y>", "a@b.example\nBcc: c@d.example", ""])
def test_what_is_no_address_is_refused(world: World, to: str) -> None:
    office = Office(world)
    assert "is not an e-mail address" in office.command("forward", office.opened(), "--to", to, check=1).err


def test_a_closed_case_is_not_forwarded(world: World) -> None:
    office = Office(world)
    case = office.opened()
    office.command("close", case)
    assert "is closed" in office.command("forward", case, "--to", office.expert, check=1).err


@pytest.mark.parametrize(
    ("wanted", "domain", "stored"),
    [
        ("domain", "partner.example", "domain"),
        ("domain", "gmail.com", "address"),
        ("any", "gmail.com", "any"),
        ("address", "partner.example", "address"),
    ],
)
def test_at_a_freemail_domain_only_the_very_address_may_answer(
    world: World, wanted: str, domain: str, stored: str
) -> None:
    office = Office(world, referrals={"answer_from": wanted})
    office.command("forward", office.opened(), "--to", office.outside("expert", domain))
    assert office.referral()["answer_from"] == stored


def test_a_customer_whose_address_became_ours_gets_nothing(world: World) -> None:
    office = Office(world)
    case = office.opened()
    asked = office.forwarded(case)
    support = world.account("support", office.support)
    world.unit("acme", support, world.account("sales", office.customer))
    office.command("apply")
    done = office.command("reply", case, "--text", "Hello", check=1)
    assert "is one of our own accounts'; nothing is sent there" in done.err
    office.answers(asked)
    office.route()
    assert office.held() == ["cannot-send"]
    assert world.smtp_server.envelopes(office.customer) == []
