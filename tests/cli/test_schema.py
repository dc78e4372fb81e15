"""The JSON schemas: valid draft-07, committed clean, and of one mind with `validate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from reconciler.cli.main import run
from reconciler.source.yaml_reader import read_yaml

PROJECT = Path(__file__).parents[2]
EXAMPLES = sorted(path.relative_to(PROJECT) for path in (PROJECT / "accounts.d").rglob("*.yaml"))


def _schema(name: str) -> Any:
    return json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))


def _example(name: str = "accounts.d/acme.yaml") -> Any:
    return read_yaml((PROJECT / name).read_bytes(), name).data


def test_the_committed_schemas_are_what_the_models_say() -> None:
    assert run(["schema", "--check", str(PROJECT / "schemas")]) == 0


def test_a_stale_schema_exits_1_and_says_how_to_write_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--write", str(tmp_path)]) == 0
    assert run(["schema", "--check", str(tmp_path)]) == 0
    (tmp_path / "main.schema.json").write_text("{}")
    assert run(["schema", "--check", str(tmp_path)]) == 1
    assert "main.schema.json; run: reconciler schema --write" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tenant", "main"])
def test_a_schema_is_draft_07(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == _schema(name)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema)
    assert not {"$defs", "prefixItems", "unevaluatedProperties", "consequence"} & set(_words(schema))


def _words(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        return [*schema, *(word for value in schema.values() for word in _words(value))]
    return [word for item in schema for word in _words(item)] if isinstance(schema, list) else []


@pytest.mark.parametrize("path", EXAMPLES, ids=str)
def test_the_examples_satisfy_their_schema_and_name_it(path: Path) -> None:
    text = (PROJECT / path).read_text(encoding="utf-8")
    first = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    target = ((PROJECT / path).parent / first).resolve()
    assert target.parent == PROJECT / "schemas"
    Draft7Validator(json.loads(target.read_text(encoding="utf-8"))).validate(_example(str(path)))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(("acounts",), [], id="unknown key"),
        pytest.param(("version",), 2, id="version"),
        pytest.param(("tenant",), "Acme", id="bad name"),
        pytest.param(("accounts", 0, "type"), "inbox", id="unknown type"),
        pytest.param(("accounts", 0, "weight"), 0, id="weight"),
        pytest.param(("accounts", 0, "poll"), "soon", id="duration"),
        pytest.param(("accounts", 0, "imap", "password"), "hunter2", id="literal password"),
        pytest.param(("accounts", 0, "imap", "start"), "tomorrow", id="start"),
        pytest.param(("accounts", 0, "imap", "hots"), "x", id="unknown key of a block"),
        pytest.param(("routing", 0, "when", "frm"), {}, id="unknown matcher"),
        pytest.param(("templates",), {"answer": {"subject": "s", "text": "t"}}, id="unknown template"),
    ],
)
def test_the_schema_refuses_what_validate_refuses(place: tuple[str | int, ...], value: object) -> None:
    data = _example()
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    assert not Draft7Validator(_schema("tenant")).is_valid(data)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(("accounts", 0, "imap", "start"), "2026-01-31", id="a date"),
        pytest.param(("accounts", 0, "poll"), "15m", id="duration"),
        pytest.param(("routing", 0, "when", "from"), {"ends": ["@a.example", "@b.example"]}, id="list of words"),
        pytest.param(("routing", 0, "when", "not"), {"kind": "bounce"}, id="nested matcher"),
    ],
)
def test_the_schema_takes_what_validate_takes(place: tuple[str | int, ...], value: object) -> None:
    data = _example()
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    Draft7Validator(_schema("tenant")).validate(data)
