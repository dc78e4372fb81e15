"""`reconciler plan`: exit codes, what it compares with, and that it changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Reconciler
from tests.folders import Folder, system
from tests.states import account


def test_without_a_state_everything_is_new_and_no_state_is_created(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    answer = reconciler("plan")
    assert answer.code == 0
    assert answer.out.startswith("no applied state at sqlite:///.reconciler/state.db: everything is new\n")
    assert [path.name for path in tmp_path.iterdir()] == ["accounts.d"]


def test_json_says_what_the_plan_compares_with(reconciler: Reconciler, folder: Folder) -> None:
    assert reconciler("plan", "--format", "json").json["base"]["kind"] == "nothing"
    reconciler("apply")
    assert reconciler("plan", "--format", "json").json["base"]["kind"] == "applied"


def test_exit_code_2_means_changes_and_only_if_asked_for(reconciler: Reconciler, folder: Folder) -> None:
    assert (reconciler("plan", "--exit-code").code, reconciler("plan").code) == (2, 0)
    reconciler("apply")
    assert reconciler("plan", "--exit-code").code == 0


def test_a_plan_changes_nothing(reconciler: Reconciler, folder: Folder, tmp_path: Path) -> None:
    reconciler("apply")
    folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    assert reconciler("plan").out == reconciler("plan").out
    assert len(reconciler("history", "--format", "json").json["tenants"]) == 2


def test_an_invalid_tenant_is_shown_and_the_others_are_planned(reconciler: Reconciler, folder: Folder) -> None:
    folder.write("globex", account("g", address="g@globex.example", imap={"host": "globex.example"}, weight=0))
    answer = reconciler("plan", "--format", "json", "--exit-code")
    assert (answer.code, answer.json["held"]) == (1, ["globex"])
    assert [tenant["tenant"] for tenant in answer.json["tenants"]] == ["main", "acme"]
    assert "globex.yaml:" in answer.err


def test_a_guarded_plan_exits_3_and_names_the_command(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.remove("acme")
    answer = reconciler("plan", "--exit-code")
    assert answer.code == 3
    assert "to let it pass: reconciler ack " in answer.out


@pytest.mark.parametrize(
    ("missing", "said"),
    [pytest.param("main.yaml", "main.yaml is missing", id="main"), pytest.param("", "accounts.d", id="folder")],
)
@pytest.mark.field("unreadable is not empty")
def test_what_is_unavailable_is_not_taken_for_empty(
    reconciler: Reconciler, folder: Folder, tmp_path: Path, missing: str, said: str
) -> None:
    target = folder.root / missing
    target.rename(tmp_path / "elsewhere")
    answer = reconciler("plan")
    assert answer.code == 75
    assert said in answer.err


def test_secrets_are_listed_by_name_and_never_by_value(reconciler: Reconciler, folder: Folder, tmp_path: Path) -> None:
    store = tmp_path / "secrets" / "acme"
    store.mkdir(parents=True)
    (store / "a-imap").write_text("canary-value\n")
    planned = reconciler("plan", "--format", "json")
    assert "acme/a-imap" not in planned.json["secrets_to_provide"]
    assert "acme/b-imap" in planned.json["secrets_to_provide"]
    answers = [planned, reconciler("plan"), reconciler("apply"), reconciler("explain", "account", "acme/a")]
    assert not any("canary-value" in answer.out + answer.err for answer in answers)
    assert not any(b"canary-value" in file.read_bytes() for file in (tmp_path / ".reconciler").iterdir())


def test_the_program_starts_without_its_heavy_libraries() -> None:
    check = "import sys, reconciler.cli.main; print({'sqlalchemy', 'alembic', 'ruamel', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "set()\n"


def test_markdown_is_a_comment_that_the_next_one_replaces(reconciler: Reconciler, folder: Folder) -> None:
    answer = reconciler("plan", "--format", "markdown", "--exit-code")
    assert answer.code == 2
    assert answer.out.startswith("<!-- reconciler plan -->\n### Plan: ")
