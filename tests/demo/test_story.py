"""The demo tells its story to the end, and notices each act that did not happen: by its name, and by no other."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.demo.story import ACTS
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


def test_the_whole_story_comes_out_right(environment: dict[str, str]) -> None:
    with demo(environment) as process:
        told, _ = process.communicate(timeout=110)
    assert process.returncode == 0, told
    assert told.count("✓") == len(ACTS)
    assert "✗" not in told
    assert remains(environment) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_act_that_does_not_happen_is_noticed(environment: dict[str, str], name: str) -> None:
    with demo(environment, "--disable", name) as process:
        told, _ = process.communicate(timeout=110)
    assert process.returncode == 1, told
    assert re.findall(r"✗ act (\S+) did not come out right", told) == [name]
    assert told.count("✓") == NAMES.index(name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_with_keep_it_goes_on_until_it_is_ended_and_exits_0(
    environment: dict[str, str], number: signal.Signals
) -> None:
    with demo(environment, "--keep") as process:
        assert process.stdout is not None
        exports, told = {}, ""
        for line in process.stdout:
            told += line
            if exported := re.fullmatch(r"  export (\w+)=(.*)\n", line):
                exports[exported[1]] = exported[2]
            if line == "  reconciler cases\n":
                break
        assert "RECONCILER_STATE" in exports, told
        assert '"condition": "Ok"' in _command(environment | exports, "status", "--format", "json")
        assert "C1" in _command(environment | exports, "cases")
        assert process.poll() is None
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(30) == 0
    until(lambda: not _processes(exports["RECONCILER_STATE"]), "nothing of it runs any more")
    assert remains(environment) == []


def test_an_unknown_act_is_a_usage_error(environment: dict[str, str]) -> None:
    with demo(environment, "--disable", "no-such-act") as process:
        told, _ = process.communicate(timeout=30)
    assert (process.returncode, "no such act" in told) == (64, True)


def _command(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "reconciler", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30).stdout


def _processes(state: str) -> list[int]:
    """The processes with this state in their environment."""
    wanted, found = f"RECONCILER_STATE={state}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables:
            found.append(int(folder.name))
    return found
