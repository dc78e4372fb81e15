"""The commands that ask externals, as people and programs see them: both second-level folders, own and global."""

from __future__ import annotations

import pytest

from tests.office import ANSWER, Office
from tests.world import AGENT, World

OTHER = "other@service.example"


@pytest.fixture
def office(world: World) -> Office:
    """An office with case C1, forwarded by one agent and inquired about by another."""
    made = Office(world)
    made.opened()
    made.command("forward", "C1", "--to", f"Erika Expert <{made.expert}>")
    made.command("inquire", "C1", "--to", made.outside("engineer", "partner.example"), "--text", "?", "--agent", OTHER)
    return made


def ids(office: Office, *narrowed: str) -> list[str]:
    return [r["id"] for r in office.referrals(*narrowed)]


def test_an_inquiry_names_its_referral_and_mail(office: Office) -> None:
    to = [office.outside(name, "partner.example") for name in ("a", "b")]
    answer = office.json("inquire", "C1", "--to", to[0], "--to", to[1], "--text", "?")
    assert answer == {
        "format_version": 1,
        "referral": "R3",
        "outbox": "O3",
        "referrals": [{"referral": "R3", "outbox": "O3"}, {"referral": "R4", "outbox": "O4"}],
    }
    assert [r["group"] for r in office.referrals()] == ["R1", "R2", "R3", "R3"]


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ((), ["R1", "R2"]),
        (("--kind", "forward"), ["R1"]),
        (("--kind", "inquiry"), ["R2"]),
        (("--agent", AGENT), ["R1"]),
        (("--agent", OTHER.upper()), ["R2"]),
        (("--kind", "inquiry", "--agent", AGENT), []),
        (("--waiting",), ["R1", "R2"]),
        (("--overdue",), []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_second_level_folder_is_of_a_kind_and_of_an_agent_or_of_all(
    office: Office, narrowed: tuple[str, ...], found: list[str]
) -> None:
    assert office.world.environment["RECONCILER_AGENT"] == AGENT
    assert ids(office, *narrowed) == found


def test_a_folder_says_who_answered_since_when_it_waits_and_how_often_was_reminded(office: Office) -> None:
    office.command("remind", "R2")
    office.send()
    office.answers(office.received(office.expert)[0])
    office.route()
    forward, inquiry = office.referrals()
    assert (forward["answered"], forward["reminders"], inquiry["answered"], inquiry["reminders"]) == (True, 0, False, 1)
    assert inquiry["asked_at"] <= inquiry["reminded_at"] <= forward["answered_at"]
    assert ids(office, "--waiting") == ["R2"]
    lines = office.command("referrals").out.splitlines()
    assert lines[0].split()[:4] == ["R1", "forward", "answered", "C1"]
    assert lines[1].split()[:4] == ["R2", "inquiry", "waiting", "C1"]
    assert f"since {inquiry['asked_at']}" in lines[1]
    assert lines[1].endswith(f"by {OTHER} (1 reminder)")


def test_what_was_asked_stands_on_the_case(office: Office) -> None:
    forward, inquiry = office.case("C1")["entries"][1:]
    assert (forward["kind"], forward["author"]) == ("forward", AGENT)
    assert forward["text"] == f"forward to {office.expert}, the answer goes to {office.customer}"
    assert (inquiry["kind"], inquiry["author"]) == ("inquiry", OTHER)
    assert inquiry["text"].endswith(f", the answer goes to {OTHER}\n\n?")


def test_a_reopened_case_can_be_asked_about_again(office: Office) -> None:
    office.command("close", "C1")
    for command in ("forward", "inquire"):
        done = office.command(command, "C1", "--to", "x@partner.example", "--text", "?", check=1)
        assert "reconciler reopen C1" in done.err
    assert office.json("reopen", "C1") == {"format_version": 1, "case": "C1", "state": "open"}
    assert "is open already" in office.command("reopen", "C1", check=1).err
    case = office.case("C1")
    assert (case["closed_at"], case["entries"][-1]["text"]) == (None, "reopened")
    office.command("forward", "C1", "--to", "x@partner.example")


@pytest.mark.parametrize(
    "arguments",
    [
        ("inquire", "C1"),
        ("inquire", "C1", "--to", "x@partner.example"),
        ("remind",),
        ("remind", "X1"),
        ("withdraw", "C1"),
        ("release", "M1"),
        ("outbox", "--format", "ndjson"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_64(office: Office, arguments: tuple[str, ...]) -> None:
    assert "see: reconciler --help" in office.command(*arguments, check=64).err


@pytest.mark.parametrize("command", ["remind", "withdraw"])
def test_a_referral_there_is_not_is_told(office: Office, command: str) -> None:
    assert "there is no referral R9" in office.command(command, "R9", check=1).err


@pytest.mark.parametrize("to", ["nobody", "{support}", "{main_reply}", "{customer}", ""])
def test_who_cannot_be_asked_is_told_and_nobody_is_asked(office: Office, to: str) -> None:
    written = to.format(support=office.support, main_reply=office.world.main_reply, customer=office.customer)
    for command in ("forward", "inquire"):
        done = office.command(command, "C1", "--to", "x@partner.example", "--to", written, "--text", "?", check=None)
        assert (done.code in (1, 64), done.out) == (True, "")
    assert (len(office.referrals()), len(office.outbox())) == (2, 2)


def test_the_contacts_answer_cannot_move_a_terminal(office: Office) -> None:
    office.send()
    office.answers(office.received(office.expert)[0], f"{ANSWER}\x1b[2J")
    office.route()
    assert "\x1b" not in office.command("case", "C1").out
