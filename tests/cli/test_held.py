"""What needs a person, as people and programs see it: held mails, and the outbox with its delivery errors."""

from __future__ import annotations

import pytest

from tests.office import Office
from tests.world import World

OUTBOX_KEYS = [
    "id", "tenant", "account", "case", "referral", "purpose", "to", "message_id", "subject", "state", "attempts",
    "next_at", "possibly_twice", "answer", "bounced", "created_at", "sent_at",
]  # fmt: skip


@pytest.fixture
def office(world: World) -> Office:
    """An office whose C1 was forwarded, with a stranger's mail held at the reply account."""
    made = Office(world)
    made.opened()
    made.command("forward", "C1", "--to", made.expert)
    made.world.customer_writes(made.outside("stranger", "stranger.example"), world.main_reply, "Pay me")
    made.fetch()
    return made


def test_the_outbox_for_programs(office: Office) -> None:
    answer = office.json("outbox")
    assert list(answer) == ["format_version", "outbox"]
    (row,) = answer["outbox"]
    assert list(row) == OUTBOX_KEYS
    assert (row["id"], row["case"], row["referral"], row["purpose"]) == ("O1", "C1", "R1", "forward")
    assert (row["state"], row["attempts"], row["sent_at"]) == ("queued", 0, None)
    office.send()
    (row,) = office.json("outbox")["outbox"]
    assert (row["state"], row["attempts"], row["answer"][:3], row["bounced"]) == ("sent", 1, "250", None)
    assert office.json("outbox", "--errors")["outbox"] == []


def test_the_outbox_for_people(office: Office) -> None:
    assert office.command("outbox").out.split()[:5] == ["O1", "forward", "queued", "C1", office.expert]
    assert office.command("outbox", "--errors").out == "nothing\n"


def test_a_person_s_decision_is_printed(office: Office) -> None:
    assert office.command("release", "h1", "--case", "c1").out == "H1: continue_case\n"
    office.world.customer_writes("s@stranger.example", office.world.main_reply, "Pay me")
    office.fetch()
    assert office.command("discard", "2").out == "H2 is discarded\n"
    assert office.command("held").out == "nothing is held\n"


@pytest.mark.parametrize("arguments", [("release", "H1", "--case", "C1"), ("discard", "H1")], ids=" ".join)
def test_who_decides_must_be_known_and_is_remembered(office: Office, arguments: tuple[str, ...]) -> None:
    del office.world.environment["RECONCILER_AGENT"]
    assert "give --agent ADDRESS" in office.command(*arguments, check=64).err
    office.command(*arguments, "--agent", "boss@acme.example")
    assert office.json("explain", "message", "M2")["held"]["resolved_by"] == "boss@acme.example"
