"""Field types that accounts and protocol settings share: durations, hosts, declared consequences."""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema


class Consequence(StrEnum):
    """What changing a field does to the running system, mildest first."""

    COSMETIC = "cosmetic"
    RESCHEDULE = "reschedule"
    RECONNECT = "reconnect"
    REAUTHENTICATE = "re-authenticate"
    RESYNC = "re-sync"
    DRAIN = "drain"
    REROUTE = "reroute"
    REDIRECT = "redirect"
    DESTRUCTIVE = "destructive"

    @property
    def severity(self) -> int:
        """0 for the mildest; a change's consequence is the most severe of its fields'."""
        return list(Consequence).index(self)


def declared(consequence: Consequence, default: Any = ..., **options: Any) -> Any:
    """A pydantic field that declares its consequence; every field of an account must be made by this."""
    extra: dict[str, Any] = {"consequence": consequence.value}
    return Field(default, json_schema_extra=extra, **options)


PLAIN = (str, int, float, bytes, type(None), timedelta, date)
"""The types of values that hold nothing further; to ask for these first is many times faster than for a model."""


class Frozen(BaseModel):
    """Base of every model read from a file: no unknown keys, values never change, inputs never show in errors."""

    # Building waits for the first use: every start defines all models and few of them are ever validated by themselves.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_enum_values=False, defer_build=True
    )


def one_of(key: str, values: list[Any]) -> dict[str, Any]:
    """The JSON schema of a map whose key is there and has one of these values."""
    return {"properties": {key: {"enum": values}}, "required": [key]}


def has(key: str, kind: str) -> dict[str, Any]:
    """The JSON schema of a map whose key is there and has a value of this JSON type; null counts as not there."""
    return {"properties": {key: {"type": kind}}, "required": [key]}


MOVE_GOES_WITH_ITS_TARGET: dict[str, Any] = {
    "if": one_of("after_fetch", ["move"]),
    "then": has("move_to", "string"),
    "else": {"properties": {"move_to": {"type": "null"}}},
}
"""The JSON schema of `after_fetch` and `move_to`, which are given together or not at all."""

_DURATION = re.compile(r"^([0-9]{1,6})(s|m|h|d)$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """Turn `90s`, `15m`, `2h`, `30d` into a timedelta; anything else raises ValueError with the way to write it."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a duration as a whole number and a unit: 90s, 15m, 2h or 30d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def format_duration(value: timedelta) -> str:
    """The shortest way to write a duration that reads back as the same."""
    seconds = int(value.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION.pattern}),
]

_SIZE = re.compile(r"^([1-9][0-9]{0,8})(KB|MB|GB)$")
_BYTES = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_MOST_BYTES = 10**18


def parse_size(value: object) -> object:
    """Turn `500KB`, `2500MB`, `2GB` (decimal, as providers count) into bytes; a number stays.

    Anything else raises ValueError with the way to write it.
    """
    if type(value) is int and 0 < value <= _MOST_BYTES:
        return value
    match = _SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a size as a whole number of bytes above 0, or with a unit: 500KB, 2500MB or 2GB")
    return int(match[1]) * _BYTES[match[2]]


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": _MOST_BYTES},
                {"type": "string", "pattern": _SIZE.pattern},
            ]
        }
    ),
]

Host = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$|^[0-9a-fA-F:]+$",
        max_length=253,
    ),
]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Login = Annotated[str, StringConstraints(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Security(StrEnum):
    """How a connection is protected: TLS from the first byte, STARTTLS, or none (loopback only)."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


_LOOPBACK = re.compile(r"^(localhost|127\.[0-9.]+|::1)$")


def is_loopback(host: str) -> bool:
    """True for a host that names this machine; only there may a connection go without TLS."""
    return _LOOPBACK.match(host.lower()) is not None


_DATE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


def _start(value: object) -> object:
    if value in ("now", "unseen", "all") or isinstance(value, date):
        return value
    if isinstance(value, str) and _DATE.match(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("write now, unseen, all or a date such as 2026-01-31")


Start = Annotated[
    Literal["now", "unseen", "all"] | date,
    BeforeValidator(_start),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"anyOf": [{"enum": ["now", "unseen", "all"]}, {"type": "string", "format": "date", "pattern": _DATE.pattern}]}
    ),
]
