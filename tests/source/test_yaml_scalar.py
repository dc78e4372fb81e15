"""The YAML 1.2 core schema's plain scalars."""

from __future__ import annotations

import math

import pytest

from reconciler.source.yaml_scalar import plain_scalar


@pytest.mark.parametrize(
    "text", ["no", "off", "yes", "on", "2026-01-02", "1_000", "12:30", "0b1", "1e", ".", "-", "tRue"]
)
@pytest.mark.field("YAML")
def test_what_only_yaml_1_1_takes_for_something_else_stays_text(text: str) -> None:
    assert plain_scalar(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("12", 12),
        ("-12", -12),
        ("0o14", 12),
        ("014", 14),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_the_core_schema_decides_the_type(text: str, value: object) -> None:
    read = plain_scalar(text)
    assert (read, type(read)) == (value, type(value))


def test_not_a_number_is_a_float() -> None:
    read = plain_scalar(".nan")
    assert isinstance(read, float)
    assert math.isnan(read)


def test_a_number_of_five_thousand_digits_stays_text() -> None:
    assert plain_scalar("9" * 5_000) == "9" * 5_000
