"""`reconciler explain`: values with their places, who serves, what a code means."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from reconciler.core.finding import CATALOGUE, severity_of
from tests.cli.conftest import Answer, Reconciler
from tests.folders import Folder, system
from tests.states import account


def settings(answer: Answer) -> dict[str, tuple[Any, Any]]:
    return {s["path"]: (s["value"], s["line"]) for s in answer.json["settings"]}


def line_of(folder: Folder, text: str) -> int:
    lines = (folder.root / "acme.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def explain(reconciler: Reconciler, label: str) -> Answer:
    return reconciler("explain", "account", label, "--format", "json")


def test_an_applied_accounts_values_have_the_line_where_they_are_written(
    reconciler: Reconciler, folder: Folder
) -> None:
    reconciler("apply")
    answer = explain(reconciler, "acme/a")
    assert (answer.code, answer.json["status"], answer.json["revision"]) == (0, "serving", 2)
    found = settings(answer)
    assert found["address"] == ("a@acme.example", line_of(folder, "a@acme.example"))
    assert found["imap.password.secret"] == ("a-imap", line_of(folder, "a-imap"))
    assert found["weight"] == (3, None)
    assert found["imap.port"] == (993, None)


def test_an_account_that_is_not_applied_is_explained_from_the_files(reconciler: Reconciler, folder: Folder) -> None:
    answer = explain(reconciler, "acme/a")
    assert (answer.json["status"], settings(answer)["id"]) == (None, ("a", line_of(folder, '"id": "a"')))


def test_values_are_those_that_run_while_the_files_say_something_else(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    answer = explain(reconciler, "acme/a")
    assert (answer.json["pending"], settings(answer)["weight"]) == (True, (3, None))
    assert "see: reconciler plan" in reconciler("explain", "account", "acme/a").out


def test_without_the_folder_the_applied_account_is_still_explained(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    shutil.rmtree(folder.root)
    answer = explain(reconciler, "acme/a")
    assert (answer.code, settings(answer)["name"][0]) == (0, "A")


def test_the_main_accounts_have_labels_too(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    assert explain(reconciler, "main/main-reply").json["account"] == "main/main-reply"


@pytest.mark.parametrize("label", ["acme/nobody", "acme", "", "nobody/a"])
def test_an_unknown_account_is_an_error(reconciler: Reconciler, folder: Folder, label: str) -> None:
    assert explain(reconciler, label).code == 1


def test_who_serves_and_why(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    own = reconciler("explain", "serving", "acme", "reply", "--format", "json").json
    assert (own["account"], own["address"]) == ("acme/reply", "reply@acme.example")
    main = reconciler("explain", "serving", "acme", "second-level-reply", "--format", "json").json
    assert main["account"] == "main/main-second"
    assert main["why"] == "acme has no enabled account of type second-level-reply, so the main account serves it"


def test_serving_needs_an_applied_state_and_a_system_type(reconciler: Reconciler, folder: Folder) -> None:
    assert reconciler("explain", "serving", "acme", "reply").code == 78
    assert reconciler("explain", "serving", "acme", "inbound").code == 64


@pytest.mark.parametrize(("code", "severity"), [("E201", "error"), ("w101", "warning")])
def test_a_code_is_explained(reconciler: Reconciler, code: str, severity: str) -> None:
    answer = reconciler("explain", "code", code, "--format", "json")
    assert (answer.json["code"], answer.json["severity"]) == (code.upper(), severity)


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_is_explained_with_its_title_and_help(reconciler: Reconciler, code: str) -> None:
    answer = reconciler("explain", "code", code)
    assert answer.code == 0
    assert answer.out == f"{code} ({severity_of(code)}): {CATALOGUE[code].title}\n{CATALOGUE[code].help}\n"


def test_an_unknown_code_is_an_error(reconciler: Reconciler) -> None:
    assert reconciler("explain", "code", "E999").code == 1
