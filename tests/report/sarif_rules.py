"""What SARIF 2.1.0 (OASIS, sections in the comments) demands of the objects written here, as a draft-07 schema.

Narrower than the standard: a property that is not named here is refused, so that what is written stays looked at.
"""

from __future__ import annotations

from typing import Any


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


_TEXT = _object(["text"], text={"type": "string", "minLength": 1})  # 3.11, 3.12
_LEVEL = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10
_RULE = _object(  # 3.49
    ["id"],
    id={"type": "string"},
    shortDescription=_TEXT,
    fullDescription=_TEXT,
    help=_TEXT,
    defaultConfiguration=_object([], level=_LEVEL),  # 3.50
)
_REGION = _object(  # 3.30
    ["startLine"],
    startLine={"type": "integer", "minimum": 1},
    startColumn={"type": "integer", "minimum": 1},
)
_LOCATION = _object(  # 3.28, 3.29
    ["physicalLocation"],
    physicalLocation=_object(
        ["artifactLocation"],
        artifactLocation=_object(["uri"], uri={"type": "string", "pattern": r"^[A-Za-z0-9._~!$&'()*+,;=:@%/-]+$"}),
        region=_REGION,
    ),
)
_RESULT = _object(  # 3.27
    ["message"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level=_LEVEL,
    message=_TEXT,
    locations={"type": "array", "items": _LOCATION, "uniqueItems": True},
    partialFingerprints={
        "type": "object",
        "additionalProperties": {"type": "string"},
        "propertyNames": {"pattern": r"^[^/]+(/[^/]+)*/v[1-9][0-9]*$"},
    },
)
_DRIVER = _object(  # 3.19
    ["name"],
    name={"type": "string"},
    # Semantic Versioning 2.0.0
    semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
    rules={"type": "array", "items": _RULE, "uniqueItems": True},
)
SARIF = _object(  # 3.13, 3.14
    ["version", "runs"],
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs={
        "type": "array",
        "items": _object(
            ["tool"],
            tool=_object(["driver"], driver=_DRIVER),
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            results={"type": "array", "items": _RESULT},
        ),
    },
)
