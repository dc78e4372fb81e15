"""No mail of ours goes to an address of ours, by whatever way and whenever the address became one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.office import Office
from tests.world import World


@pytest.fixture
def office(world: World) -> Office:
    """An office whose case C1 is open."""
    made = Office(world, reply={}, support={"subaddressing": "+"})
    made.opened()
    return made


def becomes_ours(office: Office, address: str) -> None:
    """Give an account of the tenant this address."""
    world = office.world
    world.unit(
        "acme",
        world.account("support", office.support, subaddressing="+"),
        world.account("reply", office.reply_account, "reply"),
        {**world.account("sales", world.fresh("sales")), "address": address},
    )
    office.command("apply", check=None)


@pytest.mark.parametrize(
    "written",
    [str, str.upper, lambda address: address.replace("@", "+x@")],
    ids=["as it is", "in capitals", "with a subaddress"],
)
@pytest.mark.parametrize("command", ["forward", "inquire"])
def test_nobody_of_ours_is_asked(office: Office, command: str, written: Callable[[str], str]) -> None:
    done = office.command(command, "C1", "--to", written(office.support), "--text", "Please", check=1)
    assert "one of our own accounts" in done.err
    assert office.outbox() == []


def test_a_customer_whose_address_became_ours_gets_no_reply(office: Office) -> None:
    becomes_ours(office, office.customer)
    assert "one of our own accounts" in office.command("reply", "C1", "--text", "Hello", check=1).err
    assert office.outbox() == []


def test_a_contact_whose_address_became_ours_is_not_reminded(office: Office) -> None:
    office.command("forward", "C1", "--to", office.expert)
    becomes_ours(office, office.expert)
    assert "one of our own accounts" in office.command("remind", "R1", check=1).err
    assert [row.purpose for row in office.outbox()] == ["forward"]


def test_an_answer_to_a_customer_whose_address_became_ours_is_held(office: Office) -> None:
    asked = office.forwarded("C1")
    becomes_ours(office, office.customer)
    office.answers(asked)
    office.fetch()
    assert office.held() == ["cannot-send"]
    assert [row.purpose for row in office.outbox()] == ["forward"]


def test_an_agent_with_an_address_of_ours_asks_nothing(office: Office) -> None:
    done = office.command(
        "inquire", "C1", "--to", office.expert, "--text", "Please", "--agent", office.support, check=1
    )
    assert "one of our own accounts" in done.err
    assert office.outbox() == []


def test_an_answer_for_an_agent_whose_address_became_ours_is_held(office: Office) -> None:
    agent = office.outside("agent", "service.example")
    office.command("inquire", "C1", "--to", office.expert, "--text", "Please", "--agent", agent)
    office.send()
    becomes_ours(office, agent)
    office.answers(office.received(office.expert)[-1])
    office.fetch()
    assert office.held() == ["cannot-send"]
    assert [row.purpose for row in office.outbox()] == ["inquiry"]
