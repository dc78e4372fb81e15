"""A tenant whose file is removed, and accounts that move, while externals still have to answer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from reconciler.runtime.clock import utc_now
from tests.office import ANSWER, Office, text_of
from tests.world import World

POLICY: dict[str, Any] = {"remind": {"after": "2d"}}


def applied_with_acks(office: Office) -> None:
    """Apply and let what guards block pass."""
    for outcome in office.json_any("apply")["tenants"]:
        if outcome["result"] == "blocked":
            office.command("ack", outcome["plan"], "--reason", "known")
    office.command("apply")


class Closing(Office):
    """An office whose tenant is about to go."""

    def json_any(self, *arguments: str) -> Any:
        return json.loads(self.command(*arguments, "--format", "json", check=None).out)

    def remove(self) -> None:
        self.world.folder.remove(self.unit)
        applied_with_acks(self)


@pytest.mark.field("retired tenant")
@pytest.mark.parametrize("own", [True, False], ids=["own account", "main account"])
def test_a_removed_tenants_late_answers_are_held_and_its_file_brings_it_back(world: World, own: bool) -> None:
    office = Closing(world, reply={} if own else None, referrals=POLICY)
    file = world.accounts / "acme.yaml"
    good = file.read_text()
    asked = office.forwarded(office.opened())
    office.command("reply", "C1", "--text", "We look into it.")
    office.remove()
    assert office.case("C1")["entries"]
    office.send()
    assert ["We look into it." in text_of(m) for m in office.received()] == [True]
    assert office.reminded_at(utc_now() + timedelta(days=3)) == 0
    refused = office.command("remind", "R1", check=1)
    assert "tenant acme is retired" in refused.err
    office.answers(asked)
    office.route()
    assert office.held() == ["tenant-retired"]
    file.write_text(good)
    office.command("apply")
    office.command("release", "H1")
    office.send()
    assert ANSWER in text_of(office.received()[-1])


@pytest.mark.field("moved")
@pytest.mark.parametrize("to_old", [True, False], ids=["to the old mailbox", "to the new mailbox"])
def test_an_answer_reaches_the_customer_wherever_the_moved_account_gets_it(world: World, to_old: bool) -> None:
    office = Closing(world, reply={})
    asked = office.forwarded(office.opened())
    moved = world.fresh("moved")
    reply = world.with_own_secret("acme", world.account("reply", moved, "reply"), "moved")
    world.unit("acme", world.account("support", office.support), reply)
    applied_with_acks(office)
    office.answers(asked, to=None if to_old else moved)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    assert office.referral()["state"] == "answered"


def test_an_inquirys_answer_reaches_the_agent_after_the_account_that_asked_has_retired(world: World) -> None:
    office = Closing(world, referrals={"expire_after": "1d"})
    second = world.account("second", world.fresh("second"), "second-level-reply", subaddressing="+")
    world.unit("acme", world.account("support", office.support), second, referrals={"expire_after": "1d"})
    office.command("apply")
    (asked,) = office.asked(office.opened())
    world.unit("acme", world.account("support", office.support))
    applied_with_acks(office)
    assert office.reminded_at(utc_now() + timedelta(days=2)) == 1
    office.command("apply")
    assert [a["account"] for a in office.json_any("status")["accounts"] if a["tenant"] == "acme"] == ["support"]
    office.answers(asked, to=world.main_second_level)
    office.route()
    assert office.held() == []
    assert office.referral()["answered"]
