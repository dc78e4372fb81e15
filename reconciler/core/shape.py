"""What is wrong with one file's shape: the model's complaints as findings with places; no rules across accounts.

No message repeats a value of the file: where a secret belongs, somebody may have written the secret itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from reconciler.core.account import MAIN, TenantDocument, TenantPart
from reconciler.core.finding import Finding
from reconciler.core.place import Pointer, Source, existing, finding_at, value_at
from reconciler.core.secret import SecretRef

Model = TypeVar("Model", bound=BaseModel)

_TYPES = {
    "string_type": "text is wanted here; put a number, date or word such as true in quotes",
    "int_type": "a whole number is wanted here, without quotes",
    "float_type": "a number is wanted here, without quotes",
    "bool_type": "true or false is wanted here, without quotes",
    "tuple_type": "a list is wanted here",
    "list_type": "a list is wanted here",
    "dict_type": "a map of keys and values is wanted here",
    "mapping_type": "a map of keys and values is wanted here",
    "model_type": "a map of keys and values is wanted here",
    "model_attributes_type": "a map of keys and values is wanted here",
}
_PATTERNS = {
    "id": "a-z, 0-9 and single hyphens between them, 40 characters at most",
    "tenant": "a-z, 0-9 and single hyphens between them, 40 characters at most",
    "address": "an address such as support@acme.example",
    "owners": "an address such as admins@acme.example",
    "agent": "an address such as agent@acme.example",
    "host": "a host name such as mail.acme.example, without port or scheme",
    "sends_for": "a domain such as acme.example",
    "name": "one line of text without control characters",
}
_MOST_KEYS_NAMED = 12
_MOST_FINDINGS = 500
_BEFORE_VALUE = re.compile(r"^Value error, ")


def read_shape(model: type[Model], source: Source, unit: str) -> tuple[Model | None, tuple[Finding, ...]]:
    """The file's values as `model`, or None and every complaint the model has."""
    try:
        return model.model_validate(source.data), ()
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    findings = [_finding(model, source, unit, details) for details in errors[:_MOST_FINDINGS]]
    if len(errors) > _MOST_FINDINGS:
        more = f"{findings[-1].message}; {len(errors) - _MOST_FINDINGS} more findings in this file are not shown"
        findings[-1] = replace(findings[-1], message=more)
    return None, tuple({(f.pointer, f.code, f.message): f for f in findings}.values())


def complaint(details: Any) -> str:
    """One error of `ValidationError.errors()` in words, for models whose keys this program does not know."""
    match details["type"]:
        case "extra_forbidden":
            return f"no key `{_shortened(str(details['loc'][-1]))}` exists here"
        case "missing":
            return f"the key `{details['loc'][-1]}` is missing"
        case kind:
            loc = tuple(details["loc"])
            return f"{_named(loc)}{_TYPES.get(kind) or _allowed(kind, details, loc)}"


def account_alone(model: type[Model], data: object) -> Model | None:
    """One account of a file that is wrong elsewhere; None if the account is wrong too."""
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _finding(model: type[BaseModel], source: Source, unit: str, details: Any) -> Finding:
    loc: Pointer = tuple(part for part in details["loc"] if part != "[key]")
    about_key = details["loc"][-1:] == ("[key]",) or details["type"] == "extra_forbidden"
    secret = _secret_depth(model, loc)
    if secret is not None:
        return _about_secret(source, unit, loc[:secret])
    kind = details["type"]
    if kind == "extra_forbidden":
        code, message = _unknown_key(model, unit, loc)
    elif kind == "missing":
        code, message = "E202", f"the key `{loc[-1]}` is missing"
        loc = loc[:-1]
    elif loc == ("version",):
        code, message = "E206", "this program reads `version: 1`"
    elif kind in _TYPES:
        code, message = "E203", f"{_named(loc)}{_TYPES[kind]}"
    else:
        code, message = "E204", f"{_named(loc)}{_allowed(kind, details, loc)}"
    return finding_at(source, unit, loc, code, message, key=about_key)


def _about_secret(source: Source, unit: str, loc: Pointer) -> Finding:
    """Neither value nor key nor pointer below the reference is shown: each could be the secret."""
    if existing(source.data, loc) == loc and value_at(source.data, loc) is None:
        return finding_at(source, unit, loc, "E202", f"`{loc[-1]}` is empty; write `{{secret: NAME}}`")
    if existing(source.data, loc) == loc[:-1] and isinstance(value_at(source.data, loc[:-1]), dict):
        message = f"the key `{loc[-1]}` is missing; write `{loc[-1]}: {{secret: NAME}}`"
        return finding_at(source, unit, loc[:-1], "E202", message)
    message = (
        f"`{loc[-1]}` is not a reference; write `{{secret: NAME}}` (NAME: a-z, 0-9, hyphens), keep the value outside "
        "the repository, and change it if it was ever committed"
    )
    return finding_at(source, unit, loc, "E205", message)


def _unknown_key(model: type[BaseModel], unit: str, loc: Pointer) -> tuple[str, str]:
    key = str(loc[-1])
    if len(loc) == 1 and key in TenantDocument.model_fields:
        if unit == MAIN:
            return "E207", f"`{key}` has no place in main.yaml; it holds version and the two main accounts"
        if issubclass(model, TenantPart):
            return "E109", f"`{key}` belongs into the folder's tenant.yaml; this file holds accounts only"
    known = sorted({name for owner in _models_at(model, loc[:-1]) for name in _keys(owner)})
    return "E201", f"no key `{_shortened(key)}` exists here{_suggestion(key, known)}"


def _shortened(key: str) -> str:
    """An unknown key as far as it can be shown on one line."""
    shown = "".join(c if c.isprintable() else "?" for c in key)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; there are {', '.join(known)}" if 0 < len(known) <= _MOST_KEYS_NAMED else ""


def _named(loc: Pointer) -> str:
    names = [part for part in loc if isinstance(part, str)]
    return f"`{names[-1]}`: " if names else ""


def _allowed(kind: str, details: Any, loc: Pointer) -> str:
    """What the key allows, in words."""
    context = details.get("ctx", {})
    match kind:
        case "enum" | "literal_error":
            return "one of " + str(context["expected"]).replace("'", "").replace(" or ", ", ")
        case "string_pattern_mismatch":
            names = [str(part) for part in loc if isinstance(part, str)]
            return f"write {_PATTERNS.get(names[-1], 'a value of the form ' + str(context['pattern']))}"
        case "string_too_short":
            return f"at least {context['min_length']} character(s)"
        case "string_too_long":
            return f"at most {context['max_length']} characters"
        case "too_short":
            return f"at least {context['min_length']} item(s)"
        case "too_long":
            return f"at most {context['max_length']} items"
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than_equal":
            return f"{context['le']} or less"
        case _:
            return _BEFORE_VALUE.sub("", str(details["msg"]))


def _secret_depth(model: type[BaseModel], loc: Pointer) -> int | None:
    """How many steps of `loc` lead to a secret reference; None if it does not pass one."""
    for depth in range(len(loc) + 1):
        if any(issubclass(m, SecretRef) for m in _models_at(model, loc[:depth])):
            return depth
    return None


def _models_at(model: type[BaseModel], loc: Pointer) -> tuple[type[BaseModel], ...]:
    """The models a value at `loc` may have; list positions and keys of free maps change nothing."""
    models: tuple[type[BaseModel], ...] = (model,)
    for part in loc:
        if isinstance(part, int):
            continue
        annotations = [
            field.annotation
            for owner in models
            for name, field in owner.model_fields.items()
            if (field.alias or name) == part
        ]
        if annotations:
            models = tuple(m for annotation in annotations for m in _models_in(annotation))
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name
