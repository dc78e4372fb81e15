"""docs/reference.md names everything that exists, and nothing that does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.cli import main as cli
from reconciler.core import case, correlation, guard, kind, outbox, outcome, plan, referral, routing, status
from reconciler.core.account import ReferralSettings, Reminders, TemplateText
from reconciler.core.act import Act
from reconciler.core.audit import Difference
from reconciler.core.endpoint import SmtpSettings
from reconciler.core.errors import ExitCode
from reconciler.core.finding import CATALOGUE
from reconciler.core.health import Condition
from reconciler.core.language import Language
from reconciler.core.oauth import OAuthSettings
from reconciler.core.policy import GuardPolicy, HostPolicy, Limits, Policy, RedirectUnlock, TlsPolicy
from reconciler.core.registry import Registry
from reconciler.core.revision import AccountStatus
from reconciler.core.rule import Expectation, Refer, Rule, RuleTest, SampleMail, SizeMatch, TextMatch, Then, When
from reconciler.core.secret import SecretRef
from reconciler.core.settings import Consequence, format_duration
from reconciler.core.template import ALLOWED_NAMES
from reconciler.core.tenant_settings import Authentication, Escalation, HeldSettings, Hours, RelayPolicy, Retention
from reconciler.core.token import Rung
from reconciler.protocol.imap_settings import ImapSettings
from reconciler.protocol.maildir_settings import MaildirSettings
from reconciler.protocol.pop3_settings import Pop3Settings
from reconciler.runtime.settings import RunSettings
from reconciler.source.secret import variable_name
from tests.docs.pages import ROOT, codes, page, rows, write_examples

REFERENCE = page("docs/reference.md")
REGISTRY = Registry({"imap": ImapSettings, "maildir": MaildirSettings, "pop3": Pop3Settings})
MODELS: dict[type[BaseModel], str] = {
    REGISTRY.main: "main.yaml",
    REGISTRY.tenant: "Tenant file",
    REGISTRY.part: "Further file of a tenant's folder",
    REGISTRY.account: "Account",
    ImapSettings: "`imap`",
    Pop3Settings: "`pop3`",
    MaildirSettings: "`maildir`",
    SmtpSettings: "`smtp`",
    OAuthSettings: "`oauth`",
    SecretRef: "`password`",
    TemplateText: "`templates`",
    ReferralSettings: "`referrals`",
    Reminders: "`remind`",
    Escalation: "`escalate`",
    RelayPolicy: "`relay`",
    Hours: "`hours`",
    HeldSettings: "`held`",
    Retention: "`retention`",
    Authentication: "`authentication`",
    Rule: "`routing`",
    When: "`when`",
    TextMatch: "Text conditions",
    SizeMatch: "`size`",
    Then: "`then`",
    Refer: "`refer`",
    RuleTest: "`tests`",
    SampleMail: "`mail`",
    Expectation: "`expect`",
}
POLICY: dict[type[BaseModel], str] = {
    Policy: "Policy file",
    HostPolicy: "`hosts`",
    TlsPolicy: "`tls`",
    Limits: "`limits`",
    GuardPolicy: "Guards of the policy",
    RedirectUnlock: "`redirects`",
}
ENUMS: list[tuple[str, str, type[Enum]]] = [
    ("Consequences", "consequence", Consequence),
    ("Guards", "guard", guard.Guard),
    ("Guards", "operation", plan.Op),
    ("Guards", "result", outcome.Result),
    ("Status", "sync", status.Sync),
    ("Status", "status", AccountStatus),
    ("Conditions", "condition", Condition),
    ("`reconciler audit`", "difference", Difference),
    ("Kinds", "kind", kind.Kind),
    ("Languages", "language", Language),
    ("`reconciler acts`", "act", Act),
    ("Actions", "action", routing.Action),
    ("Actions", "sign", Rung),
    ("Actions", "outcome", correlation.Outcome),
    ("Hold reasons", "reason", routing.HoldReason),
    ("States and entries", "case state", case.CaseState),
    ("States and entries", "referral state", referral.ReferralState),
    ("States and entries", "referral kind", referral.ReferralKind),
    ("States and entries", "outbox state", outbox.OutboxState),
    ("States and entries", "entry", case.EntryKind),
]


def models_in(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all that its fields hold."""
    found: set[type[BaseModel]] = set()
    waiting = [model]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += [inner for field in here.model_fields.values() for inner in _models(field.annotation)]
    return found


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def default_cell(field: FieldInfo) -> str:
    """The field's default as the page shows it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "–"
    match value:
        case Enum():
            return f"`{value.value}`"
        case bool():
            return f"`{str(value).lower()}`"
        case time():
            return f"`{value:%H:%M}`"
        case timedelta():
            return f"`{format_duration(value)}`"
        case tuple():
            return f"`[{', '.join(value)}]`"
        case BaseModel() | Mapping():
            return "`{}`"
        case "":
            return '`""`'
    return f"`{value}`"


def consequence_cells(field: FieldInfo) -> list[str]:
    """The field's declared consequence, if it has one."""
    extra = field.json_schema_extra
    return [str(extra["consequence"])] if isinstance(extra, Mapping) else []


def test_every_model_of_the_account_files_has_a_section() -> None:
    assert models_in(REGISTRY.main) | models_in(REGISTRY.tenant) | models_in(REGISTRY.part) == MODELS.keys()


def test_every_model_of_the_policy_has_a_section() -> None:
    assert models_in(Policy) == POLICY.keys()


@pytest.mark.parametrize(("model", "heading"), (MODELS | POLICY).items(), ids=(MODELS | POLICY).values())
def test_each_key_is_named_with_its_default_and_consequence(model: type[BaseModel], heading: str) -> None:
    said = {row[0]: [row[2], *row[3:-1]] for row in rows(REFERENCE.section(heading), "key")}
    assert said == {
        f"`{field.alias or name}`": [default_cell(field), *consequence_cells(field)]
        for name, field in model.model_fields.items()
    }


@pytest.mark.parametrize(("heading", "column", "enum"), ENUMS, ids=[f"{h}: {c}" for h, c, _ in ENUMS])
def test_each_value_is_named(heading: str, column: str, enum: type[Enum]) -> None:
    assert [row[0] for row in rows(REFERENCE.section(heading), column)] == [f"`{member.value}`" for member in enum]


def test_each_exit_code_is_named() -> None:
    assert [row[0] for row in rows(REFERENCE.section("Exit codes"), "code")] == [f"`{code.value}`" for code in ExitCode]


def test_each_finding_code_is_named_with_its_title_and_help() -> None:
    assert rows(REFERENCE.section("Finding codes"), "code") == [
        [f"`{code}`", entry.title, entry.help] for code, entry in CATALOGUE.items()
    ]


def test_each_setting_of_a_running_system_is_named_with_its_default() -> None:
    said = {row[0]: row[1].strip("`") for row in rows(REFERENCE.section("Limits of a running system"), "variable")}
    assert said.keys() == {f"`RECONCILER_{name.upper()}`" for name in RunSettings.model_fields}
    read = {name: said[f"`RECONCILER_{name.upper()}`"] for name in RunSettings.model_fields}
    assert RunSettings.model_validate(read) == RunSettings()


def test_each_name_a_template_may_use_is_named() -> None:
    said = {row[0].strip("`"): set(row[1].split(", ")) for row in rows(REFERENCE.section("`templates`"), "name")}
    names = {name for allowed in ALLOWED_NAMES.values() for name in allowed}
    assert said == {name: {t for t, allowed in ALLOWED_NAMES.items() if name in allowed} for name in names}


@pytest.mark.parametrize(("unit", "name"), [("acme", "support-imap"), ("main", "reply")])
def test_the_variable_of_a_secret_is_as_shown(unit: str, name: str) -> None:
    assert f"`{variable_name(unit, name)}` | `secrets/{unit}/{name}`" in REFERENCE.section("Secrets")


def test_each_log_event_is_named() -> None:
    said = {event for row in rows(REFERENCE.section("Log events"), "event") for event in codes(row[0])}
    sources = "\n".join(path.read_text() for path in (ROOT / "reconciler/runtime").glob("*.py"))
    calls = re.findall(r"log\.(?:info|warning|error|critical)\(\s*([^,)]+)", sources)
    logged = {event for call in calls for event in re.findall(r'(?<!f)"([a-z_.]+)"', call)}
    logged |= {f"unit.{result.value}" for result in outcome.Result if result is not outcome.Result.UNCHANGED}
    assert said == logged


def test_the_example_folder_of_the_reference_has_no_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert write_examples(REFERENCE, tmp_path) == ["accounts.d/main.yaml", "accounts.d/acme.yaml"]
    assert (cli.run(["validate", "--strict", str(tmp_path / "accounts.d")]), capsys.readouterr().out) == (
        0,
        "2 files, 1 tenant, 4 accounts: 0 errors, 0 warnings\n",
    )


def test_the_example_accounts_have_no_finding() -> None:
    assert cli.run(["validate", "--strict", str(ROOT / "accounts.d")]) == 0
