"""The list of commands costs next to nothing, and each command is only loaded when it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reconciler.cli import main as cli


def modules_after(*arguments: str) -> set[str]:
    """What a fresh process has imported after a command."""
    code = "import sys; from reconciler.cli.main import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_loads_no_command_and_no_library() -> None:
    loaded = modules_after("--help")
    ours = {name for name in loaded if name.startswith("reconciler.")}
    theirs = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert ours == {
        "reconciler.cli",
        "reconciler.cli.main",
        "reconciler.cli.lazy",
        "reconciler.core",
        "reconciler.core.errors",
    }
    assert not theirs & {"pydantic", "pydantic_core", "ruamel", "sqlalchemy", "alembic", "rich", "structlog", "lxml"}


def test_explaining_a_code_loads_no_store() -> None:
    assert not {"sqlalchemy", "alembic", "lxml", "rich"} & modules_after("explain", "code", "E201")


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: str(command.name))
def test_a_summary_is_one_line_of_the_list(command: cli.LazyCommand) -> None:
    assert command.get_short_help_str(65) == command.short_help
    assert str(command.short_help).endswith(".")
    assert command.command.name == command.name


def test_the_names_of_commands_differ() -> None:
    assert len({command.name for command in cli.COMMANDS}) == len(cli.COMMANDS)


@pytest.mark.parametrize("group", ["import", "key", "explain"])
def test_a_group_without_a_command_says_how_to_use_it(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([group]) == 64
    assert f"Usage: reconciler {group} " in capsys.readouterr().err


def test_a_mistyped_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["vlidate"]) == 64
    assert capsys.readouterr().err == (
        "reconciler: No such command 'vlidate'. Did you mean 'validate'? (see: reconciler --help)\n"
    )
