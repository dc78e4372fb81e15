"""Every key of an account says what changing it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.cli.compose import registry
from reconciler.core.rule import Rule, RuleTest
from reconciler.core.secret import SecretRef
from reconciler.core.settings import Consequence

# A rule, a rule test and a secret reference change as a whole: their list's or field's own consequence holds.
_WHOLE = (Rule, RuleTest, SecretRef)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        yield f"{path}/{name}", info
        for inner in _models(info.annotation):
            if not issubclass(inner, _WHOLE):
                yield from _fields(inner, f"{path}/{name}")


def _all_fields() -> list[tuple[str, FieldInfo]]:
    models = registry()
    return [field for model in (models.tenant, models.main, models.part) for field in _fields(model)]


@pytest.mark.parametrize(("path", "info"), [pytest.param(p, i, id=p) for p, i in dict(_all_fields()).items()])
def test_every_field_declares_its_consequence_and_says_what_it_is(path: str, info: FieldInfo) -> None:
    extra = info.json_schema_extra
    assert isinstance(extra, dict)
    assert extra["consequence"] in [consequence.value for consequence in Consequence]
    assert info.description


def test_the_protocols_blocks_are_among_them() -> None:
    paths = dict(_all_fields())
    assert {"/accounts/imap/host", "/accounts/smtp/host", "/accounts/imap/password", "/referrals/remind/after"} <= set(
        paths
    )
