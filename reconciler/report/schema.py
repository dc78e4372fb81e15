"""A model's JSON schema as editors want it: draft-07, from pydantic's 2020-12."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

DRAFT = "http://json-schema.org/draft-07/schema#"


def schema_text(model: type[BaseModel], title: str, name: str) -> str:
    """The schema of what may stand in a file, as JSON text that ends with a newline."""
    schema = model.model_json_schema(mode="validation", by_alias=True)
    converted = _draft_07(schema)
    head = {"$schema": DRAFT, "$id": f"{name}.schema.json", "title": title}
    return json.dumps(head | {k: v for k, v in converted.items() if k != "title"}, indent=2, ensure_ascii=False) + "\n"


def _draft_07(schema: Any) -> Any:
    """The same schema in draft-07's words; the generated titles only repeat the keys and are left out."""
    if isinstance(schema, list):
        return [_draft_07(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "properties" | "$defs" | "patternProperties":
                result[_renamed(key)] = {name: _draft_07(inner) for name, inner in value.items()}
            case "$ref":
                result[key] = value.replace("#/$defs/", "#/definitions/")
            case "default" | "enum" | "const":
                result[key] = value
            case "title" | "discriminator":
                continue
            case _:
                result[_renamed(key)] = _draft_07(value)
    return _reference_alone(result)


def _renamed(key: str) -> str:
    return {"$defs": "definitions", "consequence": "x-consequence", "prefixItems": "items"}.get(key, key)


def _reference_alone(schema: dict[str, Any]) -> dict[str, Any]:
    """In draft-07 whatever stands beside `$ref` is ignored, so the reference moves into an `allOf`."""
    if "$ref" not in schema or len(schema) == 1:
        return schema
    reference = {"$ref": schema.pop("$ref")}
    return {"allOf": [reference], **schema}
