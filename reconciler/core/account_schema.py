"""The rules across an account's keys as far as JSON schema (draft-07) can say them; `account_rules` judges by all.

No schema can say what names other accounts, what counts or compares values of several accounts, what the operators'
policy allows, and what a regular expression or a template means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.account import AccountType, Subaddressing
from reconciler.core.account_rules import INBOUND_ONLY, LONGEST_LOCAL_PART, SYSTEM_ONLY
from reconciler.core.registry import Registry
from reconciler.core.settings import has, one_of

_SYSTEM = [kind.value for kind in AccountType if kind.is_system]


def account_conditions(registry: Registry) -> list[dict[str, Any]]:
    """What must hold of one account, whichever unit it is in: E208 to E211, E307, E314, E315, E317."""
    protocols = sorted(registry.protocols)
    subaddressing = [delimiter.value for delimiter in Subaddressing if delimiter is not Subaddressing.OFF]
    return [
        {"properties": {"protocol": {"enum": protocols}}},
        *({"if": one_of("protocol", [name]), "then": _only_block(name, protocols)} for name in protocols),
        {"if": one_of("type", _SYSTEM), "then": _system()},
        {"if": one_of("type", [AccountType.INBOUND.value]), "then": _without(SYSTEM_ONLY)},
        {"not": {"allOf": [has("smtp", "object"), has("send_from", "string")]}},
        {
            "if": one_of("subaddressing", subaddressing),
            "then": {"properties": {"address": {"pattern": f"^[^@]{{1,{LONGEST_LOCAL_PART}}}@"}}},
        },
    ]


def main_conditions() -> list[dict[str, Any]]:
    """What must hold of main.yaml: exactly one enabled account of each system type, and no other (E207, E304)."""
    accounts = {
        "items": {"properties": {"type": {"enum": _SYSTEM}}},
        "minItems": len(_SYSTEM),
        "maxItems": len(_SYSTEM),
        "allOf": [{"contains": {**one_of("type", [kind]), "not": one_of("enabled", [False])}} for kind in _SYSTEM],
    }
    return [{"properties": {"accounts": accounts}, "required": ["accounts"]}]


def _only_block(name: str, protocols: Sequence[str]) -> dict[str, Any]:
    others = {other: {"type": "null"} for other in protocols if other != name}
    return {**has(name, "object"), "properties": {name: {"type": "object"}, **others}}


def _system() -> dict[str, Any]:
    keys = _without(INBOUND_ONLY)
    keys["properties"]["channel"] = {"const": "email"}
    return {**keys, "anyOf": [has("smtp", "object"), has("send_from", "string")]}


def _without(keys: Sequence[str]) -> dict[str, Any]:
    return {"properties": dict.fromkeys(keys, False)}
