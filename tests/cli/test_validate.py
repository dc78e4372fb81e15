"""The command `reconciler validate` and what every command shares: exit codes, usage errors, one line per error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.cli.main import run

EXAMPLE = Path(__file__).parents[2] / "accounts.d"
MAIN_FILE = (EXAMPLE / "main.yaml").read_text(encoding="utf-8")
ACME = (EXAMPLE / "acme.yaml").read_text(encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "accounts.d"
    folder.mkdir()
    (folder / "main.yaml").write_text(MAIN_FILE)
    (folder / "acme.yaml").write_text(ACME)
    return folder


def test_the_example_folder_is_clean_even_when_strict(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", str(EXAMPLE), "--strict"]) == 0
    assert capsys.readouterr().out == "5 files, 3 tenants, 7 accounts: 0 errors, 0 warnings\n"


def test_errors_exit_1_and_stand_on_standard_output(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "acme.yaml").write_text(ACME.replace("weight: 5", "wieght: 5"))
    assert run(["validate", str(root)]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "acme.yaml:15:5: error E201 no key `wieght` exists here; did you mean `weight`?"
    assert shown.err == ""


def test_warnings_exit_0_and_with_strict_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "globex.yaml").write_text("version: 1\ntenant: globex\n")
    assert run(["validate", str(root)]) == 0
    assert run(["validate", str(root), "--strict"]) == 1
    assert "globex.yaml:1:1: warning W201" in capsys.readouterr().out


def test_a_missing_main_file_exits_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "main.yaml").unlink()
    assert run(["validate", str(root)]) == 1
    assert "main.yaml:1:1: error E107" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_root_that_cannot_be_listed_exits_75(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["validate", str(tmp_path / name)]) == 75
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("reconciler: the accounts folder ")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json", "github", "gitlab", "sarif"])
def test_a_literal_password_is_in_no_output(root: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    for number, value in enumerate(
        ("canary", "{canary}", "{secret: Canary!}", "[canary]", "{canary: canary}", '"canary')
    ):
        text = ACME.replace("{secret: support-imap}", value).replace("tenant: acme", f"tenant: t{number}")
        (root / f"t{number}.yaml").write_text(text)
    assert run(["validate", str(root), "--format", form]) == 1
    shown = capsys.readouterr()
    assert "E205" in shown.out
    assert "canary" not in (shown.out + shown.err).lower()


def test_json_says_what_the_contract_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "x.yml").write_text("")
    assert run(["validate", "--accounts", str(root), "--format", "json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert {key: shown[key] for key in ("format_version", "files", "tenants", "accounts")} == {
        "format_version": 1,
        "files": 2,
        "tenants": 2,
        "accounts": 3,
    }
    assert shown["findings"][0]["file"] == "x.yml"


def test_the_folder_may_come_from_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECONCILER_ACCOUNTS", str(root))
    assert run(["validate"]) == 0
    assert capsys.readouterr().out.startswith("2 files")


@pytest.mark.parametrize(
    "arguments",
    [["bogus"], ["validate", "--bogus"], ["validate", "--format", "xml"], ["validate", "a", "b"], ["--format"], []],
    ids=" ".join,
)
def test_usage_errors_exit_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 64
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"reconciler {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "number", "offered"),
    [
        ("reconciler susp", 1, ["suspend", "suspensions"]),
        ("reconciler explain ", 2, ["account", "serving", "code", "message"]),
        ("reconciler plan --sna", 2, ["--snapshot"]),
        ("reconciler plan --format ", 3, ["text", "json", "markdown"]),
    ],
    ids=["command", "its parts", "option", "value"],
)
def test_a_shell_completes_what_is_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, number: int, offered: list[str]
) -> None:
    monkeypatch.setenv("_RECONCILER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(number))
    with pytest.raises(SystemExit, match="0"):
        run([])
    assert capsys.readouterr().out.split() == offered


def test_colours_are_for_terminals_only(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "acme.yaml").write_text("[")
    run(["validate", str(root)])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("where", [".", "accounts.d", ".."], ids=["at the root", "inside", "above"])
def test_checks_name_files_as_the_repository_does(
    root: Path, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "acme.yaml").write_text(ACME.replace("weight: 5", "wieght: 5"))
    below = {".": "accounts.d/acme.yaml", "accounts.d": "acme.yaml", "..": f"{root.parent.name}/accounts.d/acme.yaml"}
    monkeypatch.chdir(root.parent / where)
    assert run(["validate", str(root), "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith(f"::error file={below[where]},line=15,col=5,title=E201 ")


def test_checks_name_a_folder_elsewhere_by_its_whole_path(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "acme.yaml").write_text("[")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run(["validate", "../accounts.d", "--format", "gitlab"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["location"]["path"] == f"{root}/acme.yaml"


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif"])
def test_a_clean_folder_is_clean_in_every_format(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", str(EXAMPLE), "--strict", "--format", form]) == 0
    assert "::error" not in capsys.readouterr().out
