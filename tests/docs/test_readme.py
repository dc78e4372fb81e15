"""README.md: the tutorial works as written, and the words it names exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from reconciler.cli import main as cli
from reconciler.core.errors import ExitCode
from tests.docs.pages import PAGES, ROOT, Page, fences, page, write_examples

README = page("README.md")


def run(line: str) -> tuple[int, str]:
    """Run one line as a shell would, the program's own commands in this process; exit code and output."""
    if not line.startswith("reconciler "):
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout
    with redirect_stdout(StringIO()) as output:
        code = cli.run(shlex.split(line)[1:])
    return code, output.getvalue()


def shell_block(beginning: str) -> list[str]:
    """The lines of the shell block that begins so."""
    return next(f.text for f in fences(README.text) if f.language == "sh" and f.text.startswith(beginning)).splitlines()


@pytest.fixture
def first_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Works in the tutorial's folder with its files and secrets."""
    monkeypatch.chdir(tmp_path)
    assert write_examples(README, tmp_path) == ["accounts.d/main.yaml", "accounts.d/acme.yaml"]
    for line in shell_block("(umask 077"):
        assert run(line)[0] == 0, line


@pytest.mark.usefixtures("first_account")
def test_the_first_account_prints_what_is_shown() -> None:
    console = next(f.text for f in fences(README.text) if f.language == "console")
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
    assert len(steps) == len(re.findall(r"^\$ ", console, re.MULTILINE)) > 0
    assert [(line, run(line)[1]) for line, _ in steps] == steps


@pytest.mark.usefixtures("first_account")
def test_the_agents_lines_are_written_rightly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("reconciler apply")[0] == 0
    export, *lines = shell_block("export RECONCILER_AGENT")
    monkeypatch.setenv(*export.removeprefix("export ").split("="))
    assert [line for line in lines if run(line)[0] == ExitCode.USAGE.value] == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = shell_block("make demo")
    assert commands == ["make demo", "make test"]
    assert commands[1] in (ROOT / ".ci/run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_word_of_make_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_link_leads_somewhere(path: Path) -> None:
    here = Page(path, path.read_text(encoding="utf-8"))
    for link in here.links():
        if not link.startswith("https://"):
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            assert file.exists(), link
            assert not anchor or anchor in Page(file, file.read_text(encoding="utf-8")).anchors(), link
