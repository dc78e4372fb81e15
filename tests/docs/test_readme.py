"""README.md: the tutorial works as written, and the words it names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Page, fences, page, write_examples

README = page("README.md")
USAGE = 64


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one line in a shell that has the command of this checkout."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        line, shell=True, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )


def shell_block(beginning: str) -> list[str]:
    """The lines of the shell block that begins so."""
    return next(f.text for f in fences(README.text) if f.language == "sh" and f.text.startswith(beginning)).splitlines()


@pytest.fixture
def first_account(tmp_path: Path) -> Path:
    """The tutorial's folder with its files and secrets."""
    assert write_examples(README, tmp_path) == ["accounts.d/main.yaml", "accounts.d/acme.yaml"]
    for line in shell_block("(umask 077"):
        assert run(line, tmp_path).returncode == 0, line
    return tmp_path


def test_the_first_account_prints_what_is_shown(first_account: Path) -> None:
    console = next(f.text for f in fences(README.text) if f.language == "console")
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
    assert [(line, run(line, first_account).stdout) for line, _ in steps] == steps


def test_the_agents_lines_are_written_rightly(first_account: Path) -> None:
    assert run("reconciler apply", first_account).returncode == 0
    export, *lines = shell_block("export RECONCILER_AGENT")
    assert all(run(f"{export}; {line}", first_account).returncode != USAGE for line in lines)


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
