"""What a tenant says of how its mail is treated beyond accounts and rules: hours, relay, held mail, retention."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from reconciler.core.held import HoldReason
from reconciler.core.secret import Slug
from reconciler.core.settings import Consequence, Duration, Frozen, declared

_CLOCK = re.compile(r"^([01][0-9]|2[0-3]):[0-5][0-9]$")


def _clock(value: object) -> object:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and _CLOCK.match(value):
        return time.fromisoformat(value)
    raise ValueError('write a time of day as "08:00"')


def _day(value: object) -> object:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("write a day as 2026-12-25") from None


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a time zone of the IANA database; write one such as Europe/Berlin") from None
    return value


ClockTime = Annotated[
    time,
    BeforeValidator(_clock),
    PlainSerializer(lambda value: value.strftime("%H:%M"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": _CLOCK.pattern}),
]
Holiday = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "date"}),
]


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Hours(Frozen):
    """When the tenant works: outside of it nobody is reminded and nothing is escalated."""

    zone: Annotated[str, StringConstraints(max_length=60), AfterValidator(_zone)] = declared(
        Consequence.RESCHEDULE, "UTC", description="Time zone, such as Europe/Berlin."
    )
    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = declared(
        Consequence.RESCHEDULE,
        (Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI),
        description="Working days.",
    )
    from_: ClockTime = declared(Consequence.RESCHEDULE, time(8), alias="from", description="Begin of the working day.")
    to: ClockTime = declared(Consequence.RESCHEDULE, time(18), description="End of the working day.")
    holidays: Annotated[tuple[Holiday, ...], Field(max_length=400)] = declared(
        Consequence.RESCHEDULE, (), description="Days on which nobody works."
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.to <= self.from_:
            raise ValueError("`to` must be later than `from`; hours do not go across midnight")
        return self


class Escalation(Frozen):
    """What happens to a case whose external does not answer."""

    after: Duration = declared(Consequence.RESCHEDULE, description="So long after asking.")
    queue: Slug = declared(Consequence.RESCHEDULE, description="The queue the case goes to.")


class SignedAnswers(StrEnum):
    """What happens to an answer that is signed or encrypted: held, or passed on."""

    HOLD = "hold"
    PASS = "pass"


MediaType = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[a-z0-9][a-z0-9.+-]*/([a-z0-9][a-z0-9.+-]*|\*)$")
]


class RelayPolicy(Frozen):
    """What of an external's answer goes on to the customer by itself."""

    attachments: Annotated[bool, Field(strict=True)] = declared(
        Consequence.REROUTE, True, description="Whether files go along; otherwise the text alone does."
    )
    refused_types: Annotated[tuple[MediaType, ...], Field(max_length=50)] = declared(
        Consequence.REROUTE, (), description="Media types that never go along, `application/zip` or `video/*`."
    )
    most_bytes: Annotated[int, Field(ge=1, le=50_000_000, strict=True)] = declared(
        Consequence.REROUTE, 20_000_000, description="An answer with more bytes of files is held."
    )
    signed: SignedAnswers = declared(
        Consequence.REROUTE, SignedAnswers.HOLD, description="`hold` or `pass`: the text without its signature."
    )
    encrypted: SignedAnswers = declared(
        Consequence.REROUTE, SignedAnswers.HOLD, description="`hold` or `pass`: as it is, with all it says."
    )


class HeldSettings(Frozen):
    """How long held mails wait for a person."""

    expire: Mapping[HoldReason, Duration] = declared(
        Consequence.RESCHEDULE, {}, description="By reason: afterwards the mail is closed; without, never."
    )


class Retention(Frozen):
    """How long what customers wrote is kept. Without a key it is kept for good."""

    mails: Duration | None = declared(
        Consequence.DESTRUCTIVE, None, description="Raw mails and sent mails; what stands on the case stays."
    )
    cases: Duration | None = declared(
        Consequence.DESTRUCTIVE, None, description="Closed cases, counted from their closing: texts, names, addresses."
    )
    unassigned: Duration | None = declared(
        Consequence.DESTRUCTIVE, None, description="Mails that belong to no case: discarded, unassigned, decided."
    )


class AuthenticationCheck(StrEnum):
    """What an answer's unproven From means: a note on the case, or that the answer is held."""

    WARN = "warn"
    STRICT = "strict"


class Authentication(Frozen):
    """Whose Authentication-Results headers are believed (RFC 8601)."""

    authserv_id: Annotated[
        str, StringConstraints(max_length=253, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    ] = declared(Consequence.REROUTE, description="The name the receiving server writes there.")
    check: AuthenticationCheck = declared(
        Consequence.REROUTE, AuthenticationCheck.WARN, description="`warn` or `strict`."
    )


class SubjectTags(StrEnum):
    """Which mails of ours carry a signed tag in the subject."""

    OFF = "off"
    REFERRALS = "referrals"
    ALL = "all"
