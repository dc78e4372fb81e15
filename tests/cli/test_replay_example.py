"""Replay over the example: real mails came in, its rules change, and exactly the mails that move are told."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.example import Example
from tests.mailroom import letter
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.world import World

ACME, GLOBEX, INITECH = (f"support@{name}.example" for name in ("acme", "globex", "initech"))
OTHER_RULES = """\
routing:
  - id: advertising
    when: {header: {X-Spam-Flag: {equals: "yes"}}}
    then: {discard: true}
  - id: reminders
    when: {subject: {contains: [overdue, reminder]}, not: {attachment: {matches: '.'}}}
    then: {queue: billing, tags: [invoice], priority: high}
  - id: returns
    when: {body: {contains: send it back}}
    then: {queue: returns}
  - id: bills
    when: {account: support, subject: {contains: [invoice, bill]}}
    then: {queue: billing, tags: [invoice]}
  - id: threats
    when: {body: {contains: my lawyer}}
    then: {hold: true}
"""
BILLING = "queue billing, tags invoice"
NO_QUEUE, RETURNS = "no queue", "queue returns"

MAILS = {
    "stays in its queue, by another rule": ("Invoice 7", "Hello", ""),
    "stays without a queue": ("My parcel", "Where is it?", ""),
    "becomes urgent": ("Invoice 8 is overdue", "Hello", ""),
    "gets a queue by its subject": ("Your bill", "Hello", ""),
    "gets a queue by its body": ("My parcel", "I send it back.", ""),
    "leaves its queue": ("Invoice 9", "I send it back.", ""),
    "is discarded": ("Invoice 10 overdue", "Buy", "X-Spam-Flag: YES"),
    "is held": ("Complaint", "You will hear from my lawyer.", ""),
    "continues a case": ("Re: My parcel", "I send it back.", "In-Reply-To: <2@customer.example>"),
    "is automatic": ("Out of office: invoice overdue", "I send it back.", "Auto-Submitted: auto-replied"),
}
MOVED = {
    "becomes urgent": (BILLING, f"{BILLING}, priority high", "invoices", "reminders"),
    "gets a queue by its subject": (NO_QUEUE, BILLING, None, "bills"),
    "gets a queue by its body": (NO_QUEUE, RETURNS, None, "returns"),
    "leaves its queue": (BILLING, RETURNS, "invoices", "returns"),
    "is discarded": (BILLING, "discarded", "invoices", "advertising"),
    "is held": (NO_QUEUE, "held", None, "threats"),
}
BACK = {name: (after, before, by, was) for name, (before, after, was, by) in MOVED.items()}
ASKED = len(MAILS) - 2
"""Rules say nothing of a mail that continues a case, nor of an automatic one."""

Move = tuple[str, str, str | None, str | None]


def mails(first: int) -> list[bytes]:
    """The mails, as numbers `first` and on of the customer's."""
    made = []
    for number, (subject, text, header) in enumerate(MAILS.values(), first):
        headers = [f"Message-ID: <{number}@customer.example>", *([header] if header else [])]
        made.append(letter("carla@customer.example", ACME, subject, text, *headers))
    return made


@dataclass(frozen=True)
class Printed:
    """What a replay printed: to programs, and to people with samples."""

    lines: list[dict[str, Any]]
    text: str

    def told(self) -> dict[str, Move]:
        """The mails it names to programs."""
        moves = {line["mail"]: (line["from"], line["to"], line["rule_from"], line["rule_to"]) for line in self.lines}
        assert len(moves) == len(self.lines)
        return {named(mail): move for mail, move in moves.items()}

    def shown(self) -> dict[str, Move]:
        """The mails it names to people."""
        found = re.findall(r"^(M\d+)  acme/support  (.+) \((.+)\) → (.+) \((.+?)\)  carla", self.text, re.MULTILINE)
        rules = {"no rule": None}
        return {
            named(mail): (before, after, rules.get(was, was), rules.get(by, by))
            for mail, before, was, after, by in found
        }


def named(mail: str) -> str:
    return list(MAILS)[int(mail.removeprefix("M")) - 1]


def replayed(example: Example, *options: str) -> Printed:
    text = example.command("replay", "--verbose", *options).out
    return Printed(example.lines("replay", *options), text)


@dataclass(frozen=True)
class Played:
    """What replays said, by what they compared, and where mails went that were routed under either set of rules."""

    printed: dict[str, Printed]
    before: dict[str, str]
    after: dict[str, str]
    plan: Any


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot, smtp_server: SmtpServer) -> Played:
    """The example is applied, mails come in, its rules change, that is applied, and the same mails come in again."""
    example = Example(
        World(tmp_path_factory.mktemp("example"), dovecot, smtp_server, "replayed-{}@service.example".format)
    )
    example.receive(ACME, mails(1))
    for address in (GLOBEX, INITECH):
        example.receive(address, [letter("carla@customer.example", address, "Invoice overdue", "I send it back.")])
    before = whereabouts(example, 1)
    files = example.world.accounts / "acme.yaml"
    old_file = files.read_text(encoding="utf-8")
    example.write_rules(OTHER_RULES)
    copy = replayed(example)
    plan = json.loads(example.command("plan", "--replay", "30d", "--format", "json").out)["replay"]
    example.command("apply")
    new, old = example.revisions()
    printed = {
        "the working copy": copy,
        "two revisions": replayed(example, "--from", old, "--to", new),
        "two revisions, each mail read whole": replayed(example, "--from", old, "--to", new, "--full"),
        "two revisions, back": replayed(example, "--from", new, "--to", old),
        "the working copy, applied": replayed(example),
        "a revision and itself": replayed(example, "--from", old, "--to", old),
    }
    files.write_text(old_file, encoding="utf-8")
    printed["the old working copy"] = replayed(example)
    example.receive(ACME, mails(1 + len(MAILS)))
    return Played(printed, before, whereabouts(example, 3 + len(MAILS)), plan)


def whereabouts(example: Example, first: int) -> dict[str, str]:
    """Where the mails went of which M`first` is the first, as their cases say."""
    cases = {case["id"]: case for case in example.json("cases", "--tenant", "acme")["cases"]}
    return {name: place(example.json("explain", "message", f"M{n}"), cases) for n, name in enumerate(MAILS, first)}


def place(told: Any, cases: dict[str, Any]) -> str:
    if told["case"] is None:
        return {"discard": "discarded", "hold": "held"}.get(told["decision"]["action"], told["decision"]["action"])
    case = cases[told["case"]]
    parts = [f"queue {case['queue']}" if case["queue"] else NO_QUEUE]
    parts += [f"tags {' '.join(case['tags'])}"] if case["tags"] else []
    parts += [f"priority {case['priority']}"] if case["priority"] != "normal" else []
    return ", ".join(parts)


@pytest.mark.parametrize(
    ("compared", "moved"),
    [
        ("the working copy", MOVED),
        ("two revisions", MOVED),
        ("two revisions, each mail read whole", MOVED),
        ("two revisions, back", BACK),
        ("the old working copy", BACK),
        ("the working copy, applied", {}),
        ("a revision and itself", {}),
    ],
)
def test_exactly_the_mails_that_move_are_printed(played: Played, compared: str, moved: dict[str, Move]) -> None:
    printed = played.printed[compared]
    assert printed.told() == moved
    assert printed.shown() == moved
    assert {line["tenant"] for line in printed.lines} <= {"acme"}
    assert printed.text.count("→") == len({move[:2] for move in moved.values()}) + len(moved)


def test_what_is_printed_is_what_the_router_does(played: Played) -> None:
    moved = {name: (played.before[name], played.after[name]) for name in MAILS}
    assert {name: move for name, move in moved.items() if move[0] != move[1]} == {n: m[:2] for n, m in MOVED.items()}


def test_the_counts_are_those_of_the_mails(played: Played) -> None:
    assert played.printed["two revisions"].text.startswith(f"{len(MOVED)} of {ASKED} mails would go elsewhere\n")
    assert (played.plan["mails"], played.plan["moved"]) == (ASKED, len(MOVED))
    assert sorted((move["from"], move["to"], move["mails"]) for move in played.plan["moves"]) == sorted(
        (*move[:2], 1) for move in MOVED.values()
    )
