"""The JSON schemas: valid draft-07, committed clean, and of one mind with `validate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from reconciler.cli.compose import registry
from reconciler.cli.main import run
from reconciler.core.finding import CATALOGUE, Severity
from reconciler.runtime.desired import read_desired
from reconciler.source.yaml_reader import read_yaml
from tests.folders import Folder
from tests.shapes import BAD, GOOD, Shape

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


def judged(shape: Shape, folder: Folder) -> set[str]:
    """The codes of the errors that `validate` finds in the file."""
    unit = "main" if shape.of == "main" else "acme"
    folder.write_text(unit, shape.text())
    return {f.code for f in read_desired(folder.root, registry()).findings if f.severity is Severity.ERROR}


VALIDATORS = {
    name: Draft7Validator(_schema(name), format_checker=Draft7Validator.FORMAT_CHECKER) for name in ("tenant", "main")
}


@pytest.mark.parametrize("shape", BAD, ids=lambda shape: shape.name)
def test_validate_and_schema_refuse_the_same(shape: Shape, tmp_path: Path) -> None:
    assert shape.code in judged(shape, Folder(tmp_path / "accounts.d"))
    assert VALIDATORS[shape.of].is_valid(shape.document()) == bool(shape.unsayable)


@pytest.mark.parametrize("shape", GOOD, ids=lambda shape: shape.name)
def test_validate_and_schema_take_the_same(shape: Shape, tmp_path: Path) -> None:
    assert judged(shape, Folder(tmp_path / "accounts.d")) == set()
    VALIDATORS[shape.of].validate(shape.document())


def test_every_error_about_a_files_shape_is_in_the_table() -> None:
    shapes = {code for code in CATALOGUE if code.startswith(("E2", "E3"))}
    elsewhere = {"E316", "E318"}  # of plug-ins; of files too long to write down
    assert {shape.code for shape in BAD} == shapes - elsewhere


def _defaults(schema: Any, root: Any) -> list[tuple[Any, Any]]:
    """Every part of a schema that has a default, with the default."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = [(schema, schema["default"])] if isinstance(schema, dict) and "default" in schema else []
    return [*own, *(found for part in parts for found in _defaults(part, root))]


@pytest.mark.parametrize("name", ["tenant", "main"])
def test_what_an_editor_offers_as_default_is_allowed(name: str) -> None:
    schema = _schema(name)
    found = [(part, value) for part, value in _defaults(schema, schema) if not isinstance(part["default"], dict)]
    assert len(found) > 20
    for part, value in found:
        Draft7Validator({**part, "definitions": schema["definitions"]}).validate(value)
