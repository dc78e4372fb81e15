"""A model's JSON schema as editors want it: draft-07, from pydantic's 2020-12."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from reconciler.core.settings import format_duration

DRAFT = "http://json-schema.org/draft-07/schema#"


def schema_text(
    model: type[BaseModel], title: str, name: str, conditions: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """The schema of what may stand in a file, as JSON text that ends with a newline.

    `conditions` are those across the keys of a map, in draft-07's words, by the model's name; `""` for the file itself.
    """
    schema = model.model_json_schema(mode="validation", by_alias=True, schema_generator=_Generator)
    for owner, found in conditions.items():
        target = schema["$defs"][owner] if owner else schema
        target["allOf"] = [*target.get("allOf", ()), *found]
    converted = _draft_07(schema)
    head = {"$schema": DRAFT, "$id": f"{name}.schema.json", "title": title}
    return json.dumps(head | {k: v for k, v in converted.items() if k != "title"}, indent=2, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Writes defaults as a file would say them, not as ISO 8601 durations."""

    def encode_default(self, dft: Any) -> Any:
        """The default as JSON."""
        match dft:
            case timedelta():
                return format_duration(dft)
            case time():
                return f"{dft:%H:%M}"
        return super().encode_default(dft)


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
    if "patternProperties" in result:
        result.setdefault("additionalProperties", False)
    return _reference_alone(result)


def _renamed(key: str) -> str:
    return {"$defs": "definitions", "consequence": "x-consequence", "prefixItems": "items"}.get(key, key)


def _reference_alone(schema: dict[str, Any]) -> dict[str, Any]:
    """In draft-07 whatever stands beside `$ref` is ignored, so the reference moves into an `allOf`."""
    if "$ref" not in schema or len(schema) == 1:
        return schema
    reference = {"$ref": schema.pop("$ref")}
    return {"allOf": [reference], **schema}
