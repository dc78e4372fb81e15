"""The checks that `init` writes, run as GitHub and GitLab would: a good and a bad pull request on a bare repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler import __version__
from reconciler.cli.main import run
from tests.cli.forge import TOKEN, Forge, serving
from tests.docs.pages import ROOT, page, tables

GITHUB, GITLAB = ".github/workflows/accounts.yml", ".gitlab-ci.yml"
MARKER = "<!-- reconciler plan -->"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository: `main` as `init` writes it, `good` with another weight, `bad` with a key misspelt."""
    folder = tmp_path_factory.mktemp("forge")
    bare, work = folder / "accounts.git", folder / "work"
    assert run(["init", str(work)]) == 0
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "remote", "add", "origin", str(bare))
    commit(work, "Accounts")
    tenant = work / "accounts.d/acme.yaml"
    before = tenant.read_text()
    for branch, old, new in (("good", "weight: 5", "weight: 7"), ("bad", "weight: 5", "wieght: 5")):
        git(work, "checkout", "--quiet", "-b", branch, "main")
        tenant.write_text(before.replace(old, new, 1))
        commit(work, branch)
    git(work, "push", "--quiet", "origin", "main", "good", "bad")
    return bare


def commit(work: Path, message: str) -> None:
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", message)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@acme.example", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def forge() -> Iterator[Forge]:
    with serving() as forge:
        yield forge


class Job:
    """A runner's checkout of a pull request's merge, and what the commands of the file did there."""

    def __init__(self, folder: Path, repository: Path, branch: str, environment: Mapping[str, str]) -> None:
        self.folder = folder / "checkout"
        git(folder, "clone", "--quiet", "--branch", "main", str(repository), "checkout")
        git(self.folder, "merge", "--quiet", "--no-ff", "-m", "merge", f"origin/{branch}")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RECONCILER_", "GIT"))}
        self.environment = {**kept, "PATH": path, **environment}
        self.codes: list[int] = []
        self.log = ""

    def run(self, command: str, environment: Mapping[str, str]) -> None:
        """Run a command as the runner's shell does."""
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.codes.append(done.returncode)
        self.log += done.stdout + done.stderr

    @property
    def comment(self) -> str:
        return (self.folder / "comment.md").read_text()


def written(repository: Path, name: str) -> Any:
    """A file of the repository's `main` as values."""
    return YAML(typ="safe").load(git(repository, "show", f"main:{name}"))


NOT_ON_FORKS = "${{ !cancelled() && github.event.pull_request.head.repo.full_name == github.repository }}"


def github(folder: Path, repository: Path, branch: str, forge: Forge) -> Job:
    """The workflow's steps that run commands, but for the one that installs the package: it is here."""
    steps = written(repository, GITHUB)["jobs"]["accounts"]["steps"]
    values = {"github.token": TOKEN, "github.event.pull_request.number": "5"}
    summary = folder / "summary.md"
    runner = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/accounts", "GITHUB_STEP_SUMMARY": str(summary)}
    job = Job(folder, repository, branch, runner)
    for step in steps:
        is_reached = step.get("if") == NOT_ON_FORKS or not any(job.codes)
        if "run" in step and step["name"] != "Install" and is_reached:
            named = {k: re.sub(r"\${{ (.*?) }}", lambda m: values[m[1]], v) for k, v in step.get("env", {}).items()}
            job.run(step["run"], named)
    return job


def gitlab(folder: Path, repository: Path, branch: str, forge: Forge) -> Job:
    """The job's script and what comes after it, whether the script failed or not."""
    accounts = written(repository, GITLAB)["accounts"]
    base = git(repository, "rev-parse", "main").strip()
    runner = {"CI_API_V4_URL": forge.url, "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "5", "COMMENT_TOKEN": TOKEN}
    job = Job(folder, repository, branch, runner)
    variables = {k: v.replace("$CI_MERGE_REQUEST_DIFF_BASE_SHA", base) for k, v in accounts["variables"].items()}
    for command in [*accounts["script"], *accounts["after_script"]]:
        job.run(command, variables)
    return job


@pytest.mark.slow
def test_a_pull_request_on_github_has_one_comment_that_follows_it(
    tmp_path: Path, repository: Path, forge: Forge
) -> None:
    theirs = f"{MARKER}\nnot yours"
    for text in [theirs, *(f"comment {n}" for n in range(120))]:
        forge.add(text)
    (tmp_path / "bad").mkdir()
    bad = github(tmp_path / "bad", repository, "bad", forge)
    assert bad.codes == [1, 0]
    assert "::error file=accounts.d/acme.yaml,line=17,col=5,title=E201 unknown key::" in bad.log
    (first,) = forge.ours
    assert first == bad.comment
    assert "#### To mend: 1 error, 0 warnings" in first
    assert "- `accounts.d/acme.yaml:17:5` error E201: ``no key `wieght` exists here; did you mean `weight`?``" in first
    assert "**Held by errors in their files**, so left as they are: `acme`" in first

    (tmp_path / "good").mkdir()
    good = github(tmp_path / "good", repository, "good", forge)
    assert (good.codes, good.log) == ([0, 0], "2 files, 1 tenant, 3 accounts: 0 errors, 0 warnings\n")
    assert forge.ours == [good.comment]
    lines = good.comment.splitlines()
    assert lines[:2] == [MARKER, "### Plan: 1 to update in 1 unit"]
    assert "- update `support`: reschedule" in lines
    assert "  - `weight`: `5` → `7` (`acme.yaml:17`)" in lines
    assert forge.comments[1] == (theirs, False)
    assert (tmp_path / "good/summary.md").read_text() == good.comment


@pytest.mark.slow
def test_a_merge_request_on_gitlab_has_one_comment_and_a_report(tmp_path: Path, repository: Path, forge: Forge) -> None:
    (tmp_path / "bad").mkdir()
    bad = gitlab(tmp_path / "bad", repository, "bad", forge)
    assert bad.codes == [1, 0]
    (issue, *_) = json.loads((bad.folder / "gl-code-quality-report.json").read_text())
    assert (issue["check_name"], issue["location"]) == (
        "E201",
        {"path": "accounts.d/acme.yaml", "lines": {"begin": 17}},
    )
    (tmp_path / "good").mkdir()
    good = gitlab(tmp_path / "good", repository, "good", forge)
    assert good.codes == [0, 0]
    assert json.loads((good.folder / "gl-code-quality-report.json").read_text()) == []
    assert forge.ours == [good.comment]


@pytest.mark.slow
def test_what_cannot_be_planned_is_said_in_the_comment(tmp_path: Path, repository: Path, forge: Forge) -> None:
    job = Job(tmp_path, repository, "good", {})
    (job.folder / "accounts.d/main.yaml").unlink()
    job.run("sh ci/check text", {})
    assert job.codes == [75]
    assert job.comment.startswith(f"{MARKER}\n### No plan: exit code 75\n\n    main.yaml:1:1: error E107 ")


def test_without_a_token_the_comment_is_only_a_file(tmp_path: Path, repository: Path, forge: Forge) -> None:
    job = Job(tmp_path, repository, "good", {})
    job.run("python3 ci/comment", {})
    assert (job.codes, job.log) == ([0], "no token, so no comment: see comment.md\n")


def test_the_workflow_has_no_rights_that_it_does_not_need(repository: Path) -> None:
    text = git(repository, "show", f"main:{GITHUB}")
    workflow = written(repository, GITHUB)
    (job,) = workflow["jobs"].values()
    assert workflow["on"] == {"pull_request": None}
    assert (workflow["permissions"], job["permissions"]) == ({}, {"contents": "read", "pull-requests": "write"})
    assert "secrets" not in {word for use in re.findall(r"\${{(.*?)}}", text) for word in re.findall(r"\w+", use)}
    assert [step["with"]["persist-credentials"] for step in job["steps"] if "checkout" in step.get("uses", "")] == [
        False
    ]


def test_only_the_step_that_comments_has_a_token_and_it_is_left_out_on_forks(repository: Path) -> None:
    steps = written(repository, GITHUB)["jobs"]["accounts"]["steps"]
    assert [(step["name"], step["if"]) for step in steps if "github.token" in str(step)] == [("Comment", NOT_ON_FORKS)]


def test_no_text_of_a_pull_request_gets_into_a_command(repository: Path) -> None:
    steps = written(repository, GITHUB)["jobs"]["accounts"]["steps"]
    assert not [step["name"] for step in steps if "${{" in step.get("run", "")]


@pytest.mark.parametrize(("name", "job"), [(GITHUB, ("jobs", "accounts", "env")), (GITLAB, ("accounts", "variables"))])
def test_the_checks_install_the_version_that_wrote_them(repository: Path, name: str, job: tuple[str, ...]) -> None:
    found = written(repository, name)
    for key in job:
        found = found[key]
    assert found["RECONCILER"] == f"mail-account-reconciler=={__version__}"


def hooks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return found


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hook_runs_a_command_over_the_whole_folder(
    hook: dict[str, Any], repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(repository), "checkout")
    monkeypatch.chdir(tmp_path / "checkout")
    program, *arguments = hook["entry"].split()
    assert (program, hook["language"], hook["pass_filenames"]) == ("reconciler", "python", False)
    assert run(arguments) == 0
    tenant = Path("accounts.d/acme.yaml")
    assert re.search(hook["files"], tenant.as_posix())
    tenant.write_text(tenant.read_text().replace("weight: 5", "weight:   500"))
    assert run(arguments) == 1


def test_each_hook_is_described() -> None:
    said = next(rows for name, rows in tables(page("docs/pull-requests.md").text) if name == "hook")
    assert [row[0] for row in said] == [f"`{hook['id']}`" for hook in hooks()]
