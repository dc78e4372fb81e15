"""docs/reference.md names every command, option and JSON key, and none that does not exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.cli import main as cli
from reconciler.core.case import Case, CaseState, Entry, EntryKind
from reconciler.core.fetch import StepLine
from reconciler.core.held import Held
from reconciler.core.outbox import DeliveryLine, OutboxRow, OutboxState
from reconciler.core.plan import Op
from reconciler.core.referral import Referral, ReferralKind, ReferralState
from reconciler.core.suspension import Activity, Suspension, Target
from reconciler.report.cases import case_json, entry_json, held_json, outbox_json, referral_json
from reconciler.report.inspect import Form, inspected
from reconciler.report.suspensions import suspension_json
from tests.docs.pages import codes, fences, page, rows, write_examples

REFERENCE = page("docs/reference.md")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CASE = Case(
    id=1,
    tenant="acme",
    account_key=1,
    account="acme/support",
    subject="",
    state=CaseState.OPEN,
    customer_name="",
    customer_address="",
    queue=None,
    agent=None,
    priority="normal",
    tags=(),
    opened_at=NOW,
    updated_at=NOW,
    closed_at=None,
)
ENTRY = Entry(1, EntryKind.NOTE, NOW, "", "", None, None, None)
REFERRAL = Referral(
    id=1,
    tenant="acme",
    case_id=1,
    kind=ReferralKind.FORWARD,
    state=ReferralState.WAITING,
    contact_name="",
    contact_address="",
    agent="",
    account_key=1,
    account="",
    target_name="",
    target_address="",
    answer_from="any",
    asked_at=NOW,
    expires_at=NOW,
    answered_at=None,
    out_of_office_until=None,
    late=False,
    reminders=0,
    reminded_at=None,
    group_id=None,
    trouble=None,
)
SUSPENDED = Suspension(1, Activity.SENDING, Target(), None, "", "", NOW, NOW)
HELD = Held(1, 1, None, "", "", "", NOW, None, None)
SENT = OutboxRow(
    1,
    "acme",
    1,
    "acme/support",
    1,
    None,
    "reply",
    1,
    "",
    "",
    "",
    "",
    OutboxState.SENT,
    1,
    NOW,
    False,
    None,
    None,
    NOW,
    NOW,
)


def commands() -> dict[str, Any]:
    """Every command by the words that call it."""
    found: dict[str, Any] = {}
    for listed in cli.COMMANDS:
        inner = getattr(listed.command, "commands", {"": listed.command})
        found |= {f"reconciler {listed.name} {name}".rstrip(): command for name, command in inner.items()}
    return found


COMMANDS = commands()
INSPECTED = b"""From: a@b.example
To: c@d.example
Auto-Submitted: auto-replied
Content-Disposition: attachment; filename=a.bin
Content-Type: application/octet-stream

x"""
_WORD = re.compile(r"--[a-z-]+")


def test_each_command_has_a_heading_and_each_heading_a_command() -> None:
    said = {heading.strip("`") for heading in REFERENCE.headings() if heading.startswith("`reconciler ")}
    assert said == COMMANDS.keys()


@pytest.mark.parametrize("words", COMMANDS)
def test_the_usage_of_a_command_names_its_options_and_arguments(words: str) -> None:
    usage = fences(REFERENCE.section(f"`{words}`"))[0].text
    parameters = COMMANDS[words].params
    shown = [p for p in parameters if p.param_type_name == "option" and not p.hidden]
    options = {opt for p in shown for opt in p.opts if opt not in ("-h", "--help")}
    arguments = sum(p.param_type_name == "argument" for p in parameters)
    assert set(_WORD.findall(usage)) == options
    assert usage.startswith(f"{words} ") or usage == f"{words}\n"
    plain = re.sub(r"\[?--[a-z-]+( [A-Z]+| [a-z|]+)?\]?", "", usage.removeprefix(words))
    assert len(plain.split()) == arguments


@pytest.mark.parametrize("words", COMMANDS)
def test_each_option_is_described(words: str) -> None:
    section = REFERENCE.section(f"`{words}`")
    common = {row[0].strip("`") for row in rows(REFERENCE.section("Commands"), "option")}
    own = {row[0].strip("`") for row in rows(section, "option")} if "| option |" in section else set()
    options = set(_WORD.findall(fences(section)[0].text))
    assert options == (options & common) | own
    assert not own & common


def test_each_variable_that_stands_for_an_option_is_named_with_its_default() -> None:
    parameters = [parameter for command in COMMANDS.values() for parameter in command.params if parameter.envvar]
    assert {row[0]: row[1:] for row in rows(REFERENCE.section("Environment variables"), "variable")} == {
        f"`{p.envvar}`": [f"`{p.opts[0]}`", f"`{p.default}`" if p.default else "–"] for p in parameters
    }


def keys_of(value: Any) -> set[str]:
    """Every key of a JSON value, however deep."""
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item)}
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys_of(inner)}
    return set()


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Works in a folder whose accounts.d was applied and has changed and broken since."""
    folder = tmp_path_factory.mktemp("applied")
    write_examples(REFERENCE, folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.chdir(folder)
        assert cli.run(["apply"]) == 0
        tenant = folder / "accounts.d/acme.yaml"
        tenant.write_text(tenant.read_text().replace("weight: 5\n", "weight: 6\n", 1))
        (folder / "accounts.d/broken.yaml").write_text("version: 1\ntenant: broken\nsurplus: 1\n")
        yield


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize(
    "arguments",
    [
        ["validate"],
        ["plan"],
        ["apply"],
        ["history"],
        ["status"],
        ["explain", "account", "acme/support"],
        ["explain", "serving", "acme", "reply"],
        ["explain", "code", "E201"],
        ["cases"],
        ["referrals"],
        ["held"],
        ["outbox"],
    ],
    ids=" ".join,
)
def test_each_json_key_is_named_at_its_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    cli.run([*arguments, "--format", "json"])
    answer = json.loads(capsys.readouterr().out)
    words = " ".join(["reconciler", *arguments[: 2 if arguments[0] == "explain" else 1]])
    counted = {op.value for op in Op}
    missing = keys_of(answer) - set(codes(REFERENCE.section(f"`{words}`"))) - counted
    assert missing == set()


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("cases", case_json(CASE)),
        ("case", entry_json(ENTRY)),
        ("referrals", referral_json(REFERRAL)),
        ("held", held_json(HELD)),
        ("outbox", outbox_json(SENT)),
        ("suspensions", suspension_json(SUSPENDED)),
        ("fetch", dict.fromkeys(field.name for field in fields(StepLine))),
        ("send", dict.fromkeys(field.name for field in fields(DeliveryLine))),
        ("inspect", json.loads(inspected("a.eml", INSPECTED, Form(as_json=True, with_html=True)).text)),
    ],
    ids=["cases", "case", "referrals", "held", "outbox", "suspensions", "fetch", "send", "inspect"],
)
def test_each_json_key_of_a_row_is_named_at_its_command(words: str, value: Mapping[str, Any]) -> None:
    assert keys_of(dict(value)) <= set(codes(REFERENCE.section(f"`reconciler {words}`")))
