"""`reconciler init`: a new repository is valid, says what comes next, and nothing that is there is written over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Reconciler

NAMES = {
    "accounts.d/main.yaml",
    "accounts.d/acme.yaml",
    "schemas/tenant.schema.json",
    "schemas/main.schema.json",
    "CODEOWNERS",
    ".gitignore",
    "README.md",
    ".github/workflows/accounts.yml",
    ".gitlab-ci.yml",
    "ci/check",
    "ci/comment",
}


def texts(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_a_new_repository_has_no_finding(reconciler: Reconciler) -> None:
    assert reconciler("init", "here").code == 0
    assert texts(Path("here")).keys() == NAMES
    answer = reconciler("validate", "--strict", "here/accounts.d")
    assert (answer.code, answer.out) == (0, "2 files, 1 tenant, 3 accounts: 0 errors, 0 warnings\n")
    assert reconciler("schema", "--check", "here/schemas").code == 0


def test_the_example_tenant_has_the_name_that_was_given(reconciler: Reconciler) -> None:
    assert reconciler("init", "here", "--tenant", "umbrella-gmbh").code == 0
    found = texts(Path("here"))
    assert "accounts.d/umbrella-gmbh.yaml" in found
    assert not any("acme" in text or "TENANT" in text for name, text in found.items() if "schema" not in name)


@pytest.mark.parametrize("name", ["main", "Acme", "a--b", "../x", "a" * 41])
def test_what_is_no_tenants_name_is_refused(reconciler: Reconciler, name: str) -> None:
    assert reconciler("init", "here", "--tenant", name).code == 64
    assert not Path("here").exists()


def test_twice_changes_nothing_and_names_what_is_kept(reconciler: Reconciler) -> None:
    reconciler("init", "here")
    before = texts(Path("here"))
    answer = reconciler("init", "here")
    kept = {line.removeprefix("kept     here/") for line in answer.out.splitlines() if line.startswith("kept")}
    assert (answer.code, texts(Path("here"))) == (0, before)
    assert kept == NAMES - {"accounts.d/acme.yaml"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_file_that_is_there_is_written_over(reconciler: Reconciler, name: str) -> None:
    path = Path("here", name)
    path.parent.mkdir(parents=True)
    path.write_text("mine\n")
    answer = reconciler("init", "here", "--tenant", "acme")
    assert path.read_text() == "mine\n"
    assert f"kept     {path}" in answer.out
    assert texts(Path("here")).keys() == NAMES


def test_a_folder_with_tenants_gets_no_example(reconciler: Reconciler) -> None:
    reconciler("init", "here", "--tenant", "umbrella")
    Path("here/accounts.d/main.yaml").unlink()
    assert reconciler("init", "here").code == 0
    assert {p.name for p in Path("here/accounts.d").iterdir()} == {"main.yaml", "umbrella.yaml"}


def test_the_secrets_that_the_readme_names_are_those_of_the_files(reconciler: Reconciler) -> None:
    reconciler("init", "here")
    found = texts(Path("here"))
    told = set(re.findall(r"> secrets/(\S+)", found["README.md"]))
    plan = reconciler("plan", "here/accounts.d", "--secrets", "here/secrets", "--format", "json").json
    assert told == set(plan["secrets_to_provide"])


def test_secrets_and_state_stay_out_of_the_repository(reconciler: Reconciler) -> None:
    reconciler("init", "here")
    assert {"secrets/", ".reconciler/"} <= set(Path("here/.gitignore").read_text().splitlines())
