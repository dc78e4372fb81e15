"""docs/replay.md: the mails of its table and its rules give what it shows; its words and options are the program's."""

from __future__ import annotations

import re
import shlex
from contextlib import chdir

import pytest

from reconciler.cli.main import COMMANDS
from reconciler.core.replay import MOST_SAMPLES, place
from reconciler.core.rule import Priority, Refer, ReferKind, Then
from tests.docs.pages import codes, fences, page, rows
from tests.example import Example
from tests.mailroom import letter
from tests.world import World

REPLAY = page("docs/replay.md")
ACME = "support@acme.example"


@pytest.fixture
def example(world: World) -> Example:
    """The example with the page's mails, and in its files the page's rules."""
    made = Example(world)
    shown = [[cell.strip("`") for cell in row] for row in rows(REPLAY.text, "mail")]
    assert [number for number, *_ in shown] == [f"M{n}" for n in range(1, len(shown) + 1)]
    made.receive(ACME, [letter(sender, ACME, subject, text) for _, sender, subject, text in shown])
    (rules,) = [fence.text for fence in fences(REPLAY.text) if fence.language == "yaml"]
    made.write_rules(rules)
    return made


def test_the_page_shows_what_is_printed(example: Example) -> None:
    copy, revisions = [fence.text for fence in fences(REPLAY.text) if fence.language == "console"]
    with chdir(example.world.path):
        assert printed(example, copy) == copy
        example.command("apply")
        assert printed(example, revisions) == revisions


def printed(example: Example, block: str) -> str:
    """The block as the commands in it fill it."""
    lines = re.findall(r"^\$ reconciler (.*)$", block, re.MULTILINE)
    return "".join(f"$ reconciler {line}\n{example.command(*shlex.split(line)).out}" for line in lines)


def test_the_page_names_each_option_and_none_there_is_not() -> None:
    (command,) = [listed.command for listed in COMMANDS if listed.name == "replay"]
    options = {option for parameter in command.params for option in parameter.opts}
    shown = [line.partition("#")[0] for line in REPLAY.text.splitlines() if "reconciler replay" in line]
    named = {option for text in (*shown, *codes(REPLAY.text)) for option in re.findall(r"--[a-z]+", text)}
    assert named == options - {"--accounts", "--state"}


def test_each_thing_a_rule_does_has_the_words_that_are_printed() -> None:
    table = {cells[0].strip("`"): codes(cells[1]) for cells in rows(REPLAY.section("What is shown"), "a rule's `then`")}
    assert table.keys() == Then.model_fields.keys()
    does = {
        "queue": Then(queue="billing"),
        "agent": Then(agent="jo@acme-group.example"),
        "tags": Then(tags=("invoice", "urgent")),
        "priority": Then(priority=Priority.HIGH),
        "notify": Then(notify=("billing@acme-group.example",)),
        "refer": Then(refer=Refer(kind=ReferKind.INQUIRY, to=("expert@carrier.example",))),
        "hold": Then(hold=True),
        "discard": Then(discard=True),
    }
    none = place(Then())
    assert {key: [place(then).removeprefix(f"{none}, ")] for key, then in does.items()} == {
        key: words[:1] for key, words in table.items()
    }
    assert table["queue"][1:] == [none]


def test_the_page_says_how_many_mails_of_a_move_are_shown() -> None:
    assert f"at most {MOST_SAMPLES} mails of each move" in REPLAY.section("What is shown")
