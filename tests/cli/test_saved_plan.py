"""`snapshot`, `plan --snapshot|--base|--out`, `apply --plan`: what was reviewed is what is applied, or nothing is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Reconciler
from tests.folders import Folder, system
from tests.states import account


def change(folder: Folder, weight: int = 9) -> None:
    folder.write("acme", account("a", weight=weight), account("b"), system("reply"))


def saved(reconciler: Reconciler, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    reconciler("plan", "--out", str(path))
    return path


def revisions(reconciler: Reconciler) -> int:
    return len(reconciler("history", "--format", "json").json["tenants"])


@pytest.mark.field("applied twice")
def test_a_saved_plan_is_applied_once(reconciler: Reconciler, folder: Folder, tmp_path: Path) -> None:
    reconciler("apply")
    change(folder)
    path = saved(reconciler, tmp_path)
    assert reconciler("apply", "--plan", str(path)).code == 0
    again = reconciler("apply", "--plan", str(path))
    assert again.code == 1
    assert "acme: the plan was applied already" in again.err
    assert revisions(reconciler) == 3


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        pytest.param("files", "acme: its files have changed since the plan was made", id="other files"),
        pytest.param("state", "acme: the plan was made on another state than the one that runs", id="another state"),
        pytest.param("errors", "acme: its files have errors, so that its plan cannot be computed", id="errors"),
        pytest.param("more", "globex: would change too, which the plan does not say", id="another tenant"),
        pytest.param("back", "acme: nothing would change any more", id="changed back"),
        pytest.param("held", "globex: its files have errors that they did not have", id="another tenant's errors"),
    ],
)
@pytest.mark.field("another plan", "another state")
def test_a_plan_that_is_another_one_now_is_refused_as_a_whole(
    reconciler: Reconciler, folder: Folder, tmp_path: Path, happens: str, said: str
) -> None:
    reconciler("apply")
    change(folder)
    path = saved(reconciler, tmp_path)
    match happens:
        case "files":
            change(folder, 8)
        case "state":
            change(folder, 7)
            reconciler("apply")
            change(folder)
        case "errors":
            change(folder, 0)
        case "more":
            folder.write("globex", account("g", address="g@globex.example", imap={"host": "globex.example"}))
        case "back":
            change(folder, 3)
        case "held":
            folder.write_text("globex", "{")
    before = revisions(reconciler)
    answer = reconciler("apply", "--plan", str(path))
    assert (answer.code, answer.out) == (1, "")
    assert f"nothing is applied, for this is not what the plan says: {said}" in answer.err.replace(":\n", ": ")
    assert revisions(reconciler) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "there is no such file", id="no file"),
        pytest.param("", "it is not JSON", id="empty"),
        pytest.param("[]", "whole file", id="no plan"),
        pytest.param("[" * 100_000, "it is not JSON", id="nested too deep"),
        pytest.param('{"format_version": 2, "tenants": [], "held": []}', "format_version", id="another version"),
        pytest.param('{"format_version": 1, "held": []}', "tenants", id="no tenants"),
        pytest.param(
            '{"format_version": 1, "held": [], "tenants": [{"tenant": "acme", "base": null, "target": null}]}',
            "tenants.0.digest",
            id="no digest",
        ),
    ],
)
@pytest.mark.field("another plan", "no digest")
def test_an_expectation_that_cannot_be_checked_applies_nothing(
    reconciler: Reconciler, folder: Folder, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    answer = reconciler("apply", "--plan", str(path))
    assert answer.code == 1
    assert said in answer.err
    assert not (tmp_path / ".reconciler").exists()


def test_a_blocked_part_keeps_the_whole_plan_from_being_applied(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    reconciler("apply")
    folder.remove("acme")
    folder.write("globex", account("g", address="g@globex.example", imap={"host": "globex.example"}))
    path = saved(reconciler, tmp_path)
    answer = reconciler("apply", "--plan", str(path))
    assert answer.code == 3
    assert "a part of the plan is blocked: acme: " in answer.err
    assert revisions(reconciler) == 2
    (digest,) = (t["digest"] for t in json.loads(path.read_text())["tenants"] if t["guards"])
    reconciler("ack", digest, "--reason", "contract ended")
    assert reconciler("apply", "--plan", str(path)).code == 0
    assert revisions(reconciler) == 4


def test_an_acknowledgement_lets_its_plan_pass_once(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.remove("acme")
    digests = []
    for reason in ("contract ended", "this time for good"):
        blocked = reconciler("apply", "--format", "json")
        assert blocked.code == 3
        digests += [t["plan"] for t in blocked.json["tenants"] if t["result"] == "blocked"]
        assert reason in reconciler("ack", digests[-1], "--reason", reason).out
        assert reconciler("apply").code == 0
        change(folder, 3)
        assert reconciler("apply").code == 0
        folder.remove("acme")
    assert digests[0] == digests[1]
    assert reconciler("apply").code == 3


def test_a_plan_from_a_snapshot_is_the_one_that_the_state_would_give(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    reconciler("apply")
    folder.write("acme", account("b", imap={"host": "new.example"}), account("x"))
    path = tmp_path / "snapshot.json"
    assert reconciler("snapshot", "--out", str(path)).out == ""
    here = reconciler("plan", "--format", "json")
    there = reconciler("plan", "--snapshot", str(path), "--state", "sqlite:///nowhere/state.db", "--format", "json")
    assert (here.code, there.code) == (3, 3)
    assert there.json["tenants"] == here.json["tenants"]
    assert there.json["base"] == {"kind": "snapshot", "state": str(path)}
    assert not (tmp_path / "nowhere").exists()
    assert json.loads(reconciler("snapshot").out)["units"] == json.loads(path.read_text())["units"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "it is not JSON", id="empty"),
        pytest.param("{}", "no snapshot that this program can read", id="something else"),
        pytest.param(None, "no such file", id="missing"),
    ],
)
@pytest.mark.field("no digest")
def test_a_snapshot_that_cannot_be_read_is_no_empty_one(
    reconciler: Reconciler, folder: Folder, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "snapshot.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    answer = reconciler("plan", "--snapshot", str(path))
    assert (answer.code, answer.out) == (1, "")
    assert said in answer.err


@pytest.mark.field("another plan")
def test_a_changed_snapshot_is_refused(reconciler: Reconciler, folder: Folder, tmp_path: Path) -> None:
    reconciler("apply")
    text = reconciler("snapshot").out
    path = tmp_path / "snapshot.json"
    path.write_text(text.replace("mail.acme.example", "evil.example"), encoding="utf-8")
    answer = reconciler("plan", "--snapshot", str(path))
    assert answer.code == 1
    assert "the digest of acme is not that of its contents" in answer.err or "the digest of main" in answer.err


def test_without_an_applied_state_there_is_nothing_to_snapshot(reconciler: Reconciler, folder: Folder) -> None:
    assert reconciler("snapshot").code == 78


@pytest.fixture
def repository(folder: Folder, tmp_path: Path) -> Folder:
    """The accounts folder in a repository, with one commit."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    return folder


def git(where: Path, *words: str) -> None:
    names = ["-c", "user.name=Admin", "-c", "user.email=admin@acme.example"]
    subprocess.run(["git", "-C", str(where), *names, *words], check=True, capture_output=True)


def commit(where: Path) -> None:
    git(where, "add", "accounts.d")
    git(where, "commit", "--quiet", "--message", "accounts")


def test_a_plan_against_a_revision_compares_files_and_knows_no_impact(
    reconciler: Reconciler, repository: Folder
) -> None:
    repository.write("acme", account("a", imap={"host": "evil.example"}), account("b", weight=9), system("reply"))
    answer = reconciler("plan", "--base", "HEAD", "--format", "json")
    assert (answer.code, answer.json["base"]["kind"]) == (3, "files")
    (tenant,) = answer.json["tenants"]
    found = [(c["op"], c["account"], c["consequence"], c["impact"]) for c in tenant["changes"]]
    assert found == [("update", "a", "redirect", None), ("update", "b", "reschedule", None)]
    assert "whom a change concerns is not known" in reconciler("plan", "--base", "HEAD").out


def test_a_base_with_errors_in_one_tenant_compares_the_others(
    reconciler: Reconciler, repository: Folder, tmp_path: Path
) -> None:
    repository.write_text("globex", "{")
    commit(tmp_path)
    repository.write("globex", account("g", address="g@globex.example", imap={"host": "globex.example"}))
    answer = reconciler("plan", "--base", "HEAD", "--format", "json")
    assert (answer.code, [t["tenant"] for t in answer.json["tenants"]]) == (0, ["globex"])
    assert "globex has errors there, so all of it is shown as new" in answer.err


@pytest.mark.parametrize("revision", ["nowhere", "--upload-pack=touch x", "HEAD~9", ""])
def test_a_revision_there_is_not_is_told(reconciler: Reconciler, repository: Folder, revision: str) -> None:
    answer = reconciler("plan", f"--base={revision}")
    assert (answer.code, answer.out) == (1, "")
