"""The demo tells its story to the end, and notices each act that did not happen: by its name, and by no other."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.core.errors import Unavailable
from reconciler.demo.stage import Stage
from reconciler.demo.story import ACTS
from tests.warm import warm
from tests.world import until

pytestmark = pytest.mark.slow

NAMES = [act.name for act in ACTS]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """As a user has it: compiled modules are kept, temporary files go to a folder that can be looked into."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "tmp").mkdir()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RECONCILER_", "PYTHONDONTWRITE"))}
    return inherited | {"PYTHONPYCACHEPREFIX": str(folder / "compiled"), "TMPDIR": str(folder / "tmp")}


@contextmanager
def demo(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo that was started; killed if it does not end."""
    command = [sys.executable, "-m", "reconciler", "demo", *arguments]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def remains(environment: dict[str, str]) -> list[str]:
    """What demos left behind in the temporary folder."""
    return [path.name for path in Path(environment["TMPDIR"]).glob("reconciler-demo-*")]


def forked(environment: Mapping[str, str], *arguments: str) -> str:
    """What a command prints, without loading the program anew for each of two hundred commands."""
    process = warm().start(arguments, env=environment, cwd=Path.cwd())
    out, err = process.communicate(timeout=60)
    if process.returncode != 0:
        raise Unavailable(f"reconciler {' '.join(arguments)} ended with {process.returncode}: {err.strip()}")
    return out


def forked_command(stage: Stage, *arguments: str) -> str:
    """As `Stage.command`."""
    return forked(stage.environment, *arguments)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """The demo in this process, with commands that are forked."""
    monkeypatch.setattr(Stage, "command", forked_command)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(tempfile, "tempdir", environment["TMPDIR"])


@pytest.mark.usefixtures("quick")
def test_the_whole_story_comes_out_right(capsys: pytest.CaptureFixture[str], environment: dict[str, str]) -> None:
    code = run(["demo"])
    told = capsys.readouterr().out
    assert code == 0, told
    assert told.count("✓") == len(ACTS)
    assert "✗" not in told
    assert remains(environment) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("quick")
def test_an_act_that_does_not_happen_is_noticed(
    capsys: pytest.CaptureFixture[str], environment: dict[str, str], name: str
) -> None:
    code = run(["demo", "--disable", name])
    told = capsys.readouterr().out
    assert code == 1, told
    assert re.findall(r"✗ act (\S+) did not come out right", told) == [name]
    assert told.count("✓") == NAMES.index(name)
    assert remains(environment) == []


def test_with_keep_it_goes_on_until_ctrl_c_and_exits_0(environment: dict[str, str]) -> None:
    """The story as users have it: every command a process of its own."""
    with demo(environment, "--keep") as process:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if line == "  reconciler cases\n":
                break
        exports = dict(re.findall(r"^  export (\w+)=(.*)$", told, re.MULTILINE))
        assert told.count("✓") == len(ACTS), told
        assert '"condition": "Ok"' in forked(environment | exports, "status", "--format", "json")
        assert "C1" in forked(environment | exports, "cases")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 0
    until(lambda: not _processes(exports["RECONCILER_STATE"]), "nothing of it runs any more")
    assert remains(environment) == []


def test_ended_in_the_middle_it_leaves_nothing_behind(environment: dict[str, str]) -> None:
    with demo(environment) as process:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if "✓" in line:
                break
        (folder,) = remains(environment)
        process.send_signal(signal.SIGTERM)
        told += process.stdout.read()
        assert (process.wait(30), "Traceback" in told) == (130, False), told
    until(lambda: not _processes(folder), "nothing of it runs any more")
    assert remains(environment) == []


def test_an_unknown_act_is_a_usage_error(environment: dict[str, str]) -> None:
    with demo(environment, "--disable", "no-such-act") as process:
        told, _ = process.communicate(timeout=30)
    assert (process.returncode, "no such act" in told) == (64, True)


def _processes(words: str) -> list[int]:
    """The processes with these words in what their environment says of the state."""
    wanted, found = words.encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(v.startswith(b"RECONCILER_STATE=") and wanted in v for v in variables):
            found.append(int(folder.name))
    return found
