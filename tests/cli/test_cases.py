"""The agents' commands: what they print for people and programs, and how they end when they cannot."""

from __future__ import annotations

import io
import json

import pytest

from tests.cli.conftest import Reconciler
from tests.folders import Folder
from tests.office import ANSWER, Office, text_of
from tests.world import AGENT, World

CASE_KEYS = [
    "id", "tenant", "account", "subject", "state", "customer", "queue", "agent", "priority", "tags", "opened_at",
    "updated_at", "closed_at",
]  # fmt: skip
ENTRY_KEYS = ["id", "kind", "at", "author", "text", "message", "outbox", "referral"]
REFERRAL_KEYS = {
    "id", "tenant", "case", "kind", "state", "answered", "contact", "agent", "account", "target", "answer_from",
    "asked_at", "expires_at", "answered_at", "out_of_office_until", "late", "reminders", "trouble",
}  # fmt: skip
HELD_KEYS = ["id", "message", "tenant", "account", "reason", "detail", "since", "from", "subject"]
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u202egnp.exe\x9b1m"


@pytest.fixture
def office(world: World) -> Office:
    """An office with case C1, forwarded to the expert."""
    made = Office(world)
    made.opened()
    made.command("forward", "C1", "--to", f"Erika Expert <{made.expert}>", "--text", "Can you help?")
    return made


# What is printed


def test_cases_for_programs(office: Office) -> None:
    answer = office.json("cases")
    assert list(answer) == ["format_version", "cases"]
    (case,) = answer["cases"]
    assert list(case) == CASE_KEYS
    assert case | {"opened_at": "", "updated_at": ""} == {
        "id": "C1",
        "tenant": "acme",
        "account": "acme/support",
        "subject": "My parcel",
        "state": "open",
        "customer": {"name": "Carla Customer", "address": office.customer},
        "queue": None,
        "agent": None,
        "priority": "normal",
        "tags": [],
        "opened_at": "",
        "updated_at": "",
        "closed_at": None,
    }


def test_a_case_for_programs(office: Office) -> None:
    answer = office.json("case", "C1")
    assert [*answer][: len(CASE_KEYS) + 1] == ["format_version", *CASE_KEYS]
    assert [[*entry] for entry in answer["entries"]] == [ENTRY_KEYS] * 2
    first, second = answer["entries"]
    assert (first["kind"], first["message"], first["outbox"]) == ("customer_message", "M1", None)
    assert (second["kind"], second["author"], second["outbox"], second["referral"]) == ("forward", AGENT, "O1", "R1")
    assert second["text"] == f"forward to {office.expert}, the answer goes to {office.customer}\n\nCan you help?"
    (referral,) = answer["referrals"]
    assert referral.keys() >= REFERRAL_KEYS


def test_referrals_for_programs(office: Office) -> None:
    referral = office.referral()
    assert referral.keys() >= REFERRAL_KEYS
    assert (referral["id"], referral["case"], referral["kind"], referral["state"]) == ("R1", "C1", "forward", "waiting")
    assert referral["contact"] == {"name": "Erika Expert", "address": office.expert}
    assert referral["target"] == {"name": "Carla Customer", "address": office.customer}
    assert (referral["answered"], referral["agent"]) == (False, AGENT)


def test_held_for_programs(office: Office) -> None:
    stranger = office.outside("stranger", "stranger.example")
    office.world.customer_writes(stranger, office.world.main_reply, "Pay me")
    office.fetch()
    answer = office.json("held")
    assert list(answer) == ["format_version", "held"]
    (held,) = answer["held"]
    assert {*HELD_KEYS} <= held.keys()
    assert (held["message"], held["tenant"], held["account"]) == ("M2", None, "main/main-reply")
    assert (held["reason"], held["from"], held["subject"]) == ("uncorrelated", stranger, "Pay me")


def test_for_people(office: Office) -> None:
    (line,) = office.command("cases").out.splitlines()
    assert line.split()[:3] == ["C1", "open", "acme"]
    assert line.endswith(f"Carla Customer <{office.customer}>  My parcel")
    shown = office.command("case", "C1").out
    assert f"open, normal, acme/support, customer Carla Customer <{office.customer}>" in shown
    assert f"R1 forward to {office.expert}: waiting, the answer goes to {office.customer}" in shown
    assert "    Where is my parcel?" in shown.splitlines()
    (line,) = office.command("referrals").out.splitlines()
    assert line.split()[:5] == ["R1", "forward", "waiting", "C1", office.expert]


def test_what_is_empty_says_so(world: World) -> None:
    office = Office(world)
    printed = [office.command(name).out for name in ("cases", "referrals", "held")]
    assert printed == ["no cases\n", "no referrals\n", "nothing is held\n"]


@pytest.mark.parametrize("written", ["C1", "c1", "1"])
def test_a_case_may_be_written_so(office: Office, written: str) -> None:
    assert office.json("case", written)["id"] == "C1"


def test_lists_can_be_narrowed(office: Office) -> None:
    assert office.json("cases", "--tenant", "globex")["cases"] == []
    assert len(office.json("cases", "--tenant", "acme")["cases"]) == 1
    assert office.json("cases", "--agent", "nobody@acme.example")["cases"] == []
    assert len(office.json("referrals", "--kind", "forward")["referrals"]) == 1
    assert office.json("referrals", "--kind", "inquiry")["referrals"] == []
    assert office.json("referrals", "--overdue")["referrals"] == []
    assert len(office.json("referrals", "--agent", AGENT.upper())["referrals"]) == 1
    assert office.json("held", "--tenant", "acme")["held"] == []


def test_the_environments_agent_acts_but_narrows_no_list(office: Office) -> None:
    assert office.world.environment["RECONCILER_AGENT"] == AGENT
    assert [case["agent"] for case in office.cases()] == [None]


# What is done


def test_a_reply_is_queued_and_stands_on_the_case(office: Office) -> None:
    assert office.json("reply", "C1", "--text", "On its way.") == {"format_version": 1, "outbox": "O2"}
    entry = office.case("C1")["entries"][-1]
    assert (entry["kind"], entry["author"], entry["text"]) == ("agent_reply", AGENT, "On its way.")
    office.send()
    assert ["On its way." in text_of(m) for m in office.received()] == [True]


def test_a_note_is_never_sent(office: Office) -> None:
    office.send()
    answer = office.json("note", "C1", "--text", "Careful with this one.")
    assert answer == {"format_version": 1, "entry": "E3"}
    assert office.case("C1")["entries"][-1]["kind"] == "note"
    assert office.lines("send", "--drain") == []
    office.answers(office.received(office.expert)[0])
    office.route()
    assert [("Careful" in text_of(m), ANSWER in text_of(m)) for m in office.received()] == [(False, True)]


def test_a_forward_names_its_referral_and_mail(office: Office) -> None:
    answer = office.json("forward", "C1", "--to", office.outside("other", "partner.example"))
    assert (answer["format_version"], answer["referral"], answer["outbox"]) == (1, "R2", "O2")


def test_a_case_is_closed_once(office: Office) -> None:
    assert office.json("close", "C1") == {"format_version": 1, "case": "C1", "state": "closed"}
    case = office.case("C1")
    assert (case["state"], case["closed_at"] is not None, case["entries"][-1]["text"]) == ("closed", True, "closed")
    assert "is closed already" in office.command("close", "C1", check=1).err


def test_the_acting_agent_may_be_given(office: Office) -> None:
    office.command("note", "C1", "--text", "x", "--agent", "other@acme.example")
    assert office.case("C1")["entries"][-1]["author"] == "other@acme.example"


def test_text_may_come_from_standard_input(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe.\n"))
    office.command("note", "C1", "--text", "-")
    assert office.case("C1")["entries"][-1]["text"] == "From a pipe.\n"


# How commands end

ACTING = {
    "reply": ("reply", "C9", "--text", "x"),
    "note": ("note", "C9", "--text", "x"),
    "close": ("close", "C9"),
    "forward": ("forward", "C9", "--to", "expert@partner.example"),
    "case": ("case", "C9"),
}


@pytest.mark.parametrize("command", ACTING)
def test_a_case_there_is_not_is_told(office: Office, command: str) -> None:
    done = office.command(*ACTING[command], check=1)
    assert (done.out, done.err) == ("", "reconciler: there is no case C9; `reconciler cases` lists them\n")


@pytest.mark.parametrize("command", [*ACTING, "cases", "referrals", "held", "send", "fetch"])
def test_where_nothing_is_applied_the_way_to_mend_it_is_told(
    reconciler: Reconciler, folder: Folder, command: str
) -> None:
    arguments = ACTING.get(command, (command,))
    agent = ("--agent", AGENT) if command in ("reply", "note", "close", "forward") else ()
    answer = reconciler(*arguments, *agent)
    assert (answer.code, answer.out) == (78, "")
    assert "run: reconciler apply" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("case",),
        ("case", "X1"),
        ("case", "C1.5"),
        ("case", "C" + "9" * 19),
        ("case", "C1", "C2"),
        ("reply", "C1"),
        ("note", "C1"),
        ("forward", "C1"),
        ("reply", "C1", "--text", "x", "--agent", "nobody"),
        ("close", "C1", "--agent", ""),
        ("referrals", "--kind", "letter"),
        ("cases", "--format", "yaml"),
        ("cases", "--nothing"),
        ("send", "--format", "json"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_64(office: Office, arguments: tuple[str, ...]) -> None:
    done = office.command(*arguments, check=64)
    assert (done.out, "see: reconciler --help" in done.err) == ("", True)


@pytest.mark.parametrize("command", ["reply", "note", "close", "forward"])
def test_who_acts_must_be_known(office: Office, command: str) -> None:
    del office.world.environment["RECONCILER_AGENT"]
    done = office.command(*ACTING[command], check=64)
    assert "give --agent ADDRESS or set RECONCILER_AGENT" in done.err


def test_without_a_token_key_nothing_is_queued_and_the_way_to_make_one_is_told(office: Office) -> None:
    (office.world.secrets / "main" / "token-keys").unlink()
    done = office.command("reply", "C1", "--text", "x", check=78)
    assert "run: reconciler key new" in done.err
    assert office.kinds("C1") == ["customer_message", "forward"]


# What a mail says cannot move a terminal


def moving(text: str) -> set[str]:
    """The characters of a text that do something to a terminal."""
    return {c for c in text if (ord(c) < 32 and c != "\n") or c in "\x7f\x9b\u202e"}


def hostile(office: Office) -> None:
    """A customer's mail whose name, subject and text carry terminal commands, and a stranger's at the reply account."""
    name = "=?utf-8?q?" + "".join(f"={b:02X}" for b in ESCAPES.encode()) + "?="
    subject = f"Hi {name}"
    for to in (office.support, office.world.main_reply):
        office.world.customer_writes(f"{name} <{office.customer}>", to, subject, f"Text {ESCAPES}")
    office.fetch()


@pytest.mark.parametrize(
    "command",
    [("cases",), ("case", "C2"), ("held",), ("explain", "message", "M2"), ("explain", "message", "M3")],
    ids=" ".join,
)
def test_control_characters_of_a_mail_never_reach_the_terminal(office: Office, command: tuple[str, ...]) -> None:
    hostile(office)
    out = office.command(*command).out
    assert "Hi" in out
    assert not moving(out)


@pytest.mark.parametrize("command", [("cases",), ("case", "C2"), ("held",), ("explain", "message", "M2")], ids=" ".join)
def test_nor_in_the_machine_output(office: Office, command: tuple[str, ...]) -> None:
    hostile(office)
    out = office.command(*command, "--format", "json").out
    assert "Hi" in str(json.loads(out))
    assert not moving(out)
