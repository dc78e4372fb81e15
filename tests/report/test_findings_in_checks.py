"""Findings as GitHub, GitLab and code scanning read them: escaped by each one's rules, errors before warnings."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from reconciler.core.finding import CATALOGUE, Finding, Severity
from reconciler.report.findings import Checked, as_text, fingerprints
from reconciler.report.github import as_github
from reconciler.report.gitlab import as_gitlab
from reconciler.report.sarif import as_sarif
from tests.report.sarif_rules import SARIF

WARNING = Finding("acme.yaml", 1, 1, "", "W201", "the tenant has no account", "acme")
ERROR = Finding("b.yaml", 3, 5, "/accounts/0", "E201", "no key `x` exists here", "b")
FORMATS = {"text": lambda c: as_text(c, colour=False), "github": as_github, "gitlab": as_gitlab, "sarif": as_sarif}
NASTY = "100% a,b::c\r\n::error file=x::forged [a](1) {0} \x1b[2J \u202e ##[error]x"
ANYTHING = st.text(max_size=40)


def checked(*findings: Finding, folder: str = "accounts.d") -> Checked:
    return Checked(1, 1, 1, sorted(findings), folder)


def workflow_command(line: str) -> tuple[str, dict[str, str], str]:
    """What the runner makes of a line of output: command, properties, message."""
    match = re.fullmatch(r"::(\w+) ([^:]*(?::(?!:)[^:]*)*)::(.*)", line, re.DOTALL)
    assert match, line
    unescape = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    read = lambda text: re.sub("|".join(unescape), lambda m: unescape[m[0]], text)  # noqa: E731
    pairs = (pair.split("=", 1) for pair in match[2].split(","))
    return match[1], {name: read(value) for name, value in pairs}, read(match[3])


def test_a_finding_is_an_annotation_at_its_line() -> None:
    line = as_github(checked(ERROR)).splitlines()[0]
    assert line == "::error file=accounts.d/b.yaml,line=3,col=5,title=E201 unknown key::no key `x` exists here"


def test_a_finding_is_an_issue_of_the_code_quality_report() -> None:
    (issue,) = json.loads(as_gitlab(checked(ERROR)))
    assert issue.pop("fingerprint") == dict(fingerprints(checked(ERROR)))[ERROR]
    assert issue == {
        "description": "E201 no key `x` exists here",
        "check_name": "E201",
        "severity": "critical",
        "location": {"path": "accounts.d/b.yaml", "lines": {"begin": 3}},
    }


def test_a_finding_is_a_result_of_its_rule() -> None:
    (run,) = json.loads(as_sarif(checked(ERROR, WARNING)))["runs"]
    rules, (result, _) = run["tool"]["driver"]["rules"], run["results"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "E201"
    assert result["level"] == "error"
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "accounts.d/b.yaml"},
                "region": {"startLine": 3, "startColumn": 5},
            }
        }
    ]


def test_every_code_is_a_rule_with_its_help_and_level() -> None:
    (run,) = json.loads(as_sarif(checked()))["runs"]
    assert {rule["id"]: rule["help"]["text"] for rule in run["tool"]["driver"]["rules"]} == {
        code: entry.help for code, entry in CATALOGUE.items()
    }
    levels = {rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"] if rule["id"] > "W"}
    assert levels == {"warning"}


@pytest.mark.parametrize("form", FORMATS)
def test_errors_come_before_warnings(form: str) -> None:
    shown = FORMATS[form](checked(WARNING, ERROR)).rpartition("results")[2]
    assert shown.index("no key `x`") < shown.index("the tenant has no account")


@given(message=ANYTHING | st.just(NASTY), file=ANYTHING | st.just("a,b:c%.yaml"))
@pytest.mark.field("markup")
def test_no_text_breaks_out_of_an_annotation(message: str, file: str) -> None:
    finding = replace(ERROR, message=message, file=file)
    lines = as_github(checked(finding)).splitlines()
    assert len(lines) == 2
    command, properties, said = workflow_command(lines[0])
    assert (command, properties["line"], properties["col"]) == ("error", "3", "5")
    if (message + file).isprintable():
        assert (said, properties["file"]) == (message, f"accounts.d/{file}")


@given(
    message=ANYTHING | st.just(NASTY), file=st.text(min_size=1, max_size=40), folder=st.sampled_from(["", "a", "/x"])
)
def test_every_report_is_valid_sarif(message: str, file: str, folder: str) -> None:
    finding = replace(ERROR, message=message + "!", file=file)
    report = json.loads(as_sarif(checked(finding, WARNING, folder=folder)))
    Draft7Validator(SARIF).validate(report)
    uri = report["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri).removeprefix("file://") == checked(folder=folder).path(finding)


def test_what_is_no_sarif_is_found_out() -> None:
    report = json.loads(as_sarif(checked(ERROR)))
    report["runs"][0]["results"][0]["level"] = "critical"
    assert not Draft7Validator(SARIF).is_valid(report)


def test_a_message_is_neither_a_link_nor_a_placeholder_in_code_scanning() -> None:
    (run,) = json.loads(as_sarif(checked(replace(ERROR, message="[a](1) {0}"))))["runs"]
    assert run["results"][0]["message"]["text"] == "[a] (1) {{0}}"


@pytest.mark.parametrize("form", FORMATS)
def test_no_character_reaches_a_terminal_or_a_log_raw(form: str) -> None:
    shown = FORMATS[form](checked(replace(ERROR, message=NASTY)))
    assert not {"\x1b", "\r", "\u202e"} & set(shown)
    assert not any(line.startswith("::error file=x") for line in shown.splitlines())


def one_fingerprint(*findings: Finding, folder: str = "accounts.d") -> Any:
    return [mark for _, mark in fingerprints(checked(*findings, folder=folder))]


def test_a_fingerprint_stays_when_lines_come_and_go_above() -> None:
    assert one_fingerprint(ERROR) == one_fingerprint(replace(ERROR, line=30, column=1))


@pytest.mark.parametrize(
    "other",
    [
        replace(ERROR, file="c.yaml"),
        replace(ERROR, code="E202"),
        replace(ERROR, pointer="/accounts/1"),
        replace(ERROR, message="no key `y` exists here"),
    ],
    ids=["file", "code", "pointer", "message"],
)
def test_another_finding_has_another_fingerprint(other: Finding) -> None:
    assert one_fingerprint(ERROR) != one_fingerprint(other)


def test_findings_alike_are_told_apart() -> None:
    twice = one_fingerprint(ERROR, replace(ERROR, line=9), WARNING)
    assert len(set(twice)) == 3
    assert one_fingerprint(ERROR)[0] == twice[0]


def test_severities_are_those_that_gitlab_knows() -> None:
    issues = json.loads(as_gitlab(checked(ERROR, WARNING)))
    assert [issue["severity"] for issue in issues] == ["critical", "minor"]
    assert len(issues) == len(Severity)
