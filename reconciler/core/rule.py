"""Routing rules: what may be written in `routing:` and `tests:`; not whether a rule matches a mail."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from reconciler.core.language import Language
from reconciler.core.mail_kind import Kind
from reconciler.core.secret import Slug
from reconciler.core.settings import Frozen

_MAX_PATTERN = 500


def re2_options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return options


def _compiles(pattern: str) -> str:
    try:
        re2.compile(pattern, re2_options())
    except re2.error as error:
        text = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"not a regular expression that RE2 takes: {text}") from error
    return pattern


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class _OfTheList:
    """Says in the schema that the length is the list's: where one text may stand for a list, it has its own."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        return {key: value for key, value in described.items() if key not in ("minLength", "maxLength")}


_SOME = Field(min_length=1, max_length=100)
_FEW = Field(max_length=5)
_ONE_TO_FIVE = Field(min_length=1, max_length=5)
_Word = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_PATTERN)]
_Words = Annotated[tuple[_Word, ...], _SOME]
_Ids = Annotated[tuple[Slug, ...], _SOME]
_Kinds = Annotated[tuple[Kind, ...], Field(min_length=1)]
_Languages = Annotated[tuple[Language, ...], Field(min_length=1)]

# The length is checked behind the reading: a word that is wrong is not also counted as missing.
Words = Annotated[
    tuple[_Word, ...], BeforeValidator(_as_list, json_schema_input_type=_Word | _Words), _SOME, _OfTheList()
]
Patterns = Annotated[
    tuple[Annotated[_Word, AfterValidator(_compiles)], ...],
    BeforeValidator(_as_list, json_schema_input_type=_Word | _Words),
    _SOME,
    _OfTheList(),
]
Ids = Annotated[tuple[Slug, ...], BeforeValidator(_as_list, json_schema_input_type=Slug | _Ids), _SOME, _OfTheList()]
Kinds = Annotated[
    tuple[Kind, ...],
    BeforeValidator(_as_list, json_schema_input_type=Kind | _Kinds),
    Field(min_length=1),
    _OfTheList(),
]
Languages = Annotated[
    tuple[Language, ...],
    BeforeValidator(_as_list, json_schema_input_type=Language | _Languages),
    Field(min_length=1),
    _OfTheList(),
]
Recipient = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
_Recipients = Annotated[tuple[Recipient, ...], _FEW]
Recipients = Annotated[
    tuple[Recipient, ...],
    BeforeValidator(_as_list, json_schema_input_type=Recipient | _Recipients),
    _FEW,
    _OfTheList(),
]
_Somebody = Annotated[tuple[Recipient, ...], _ONE_TO_FIVE]
Somebody = Annotated[
    tuple[Recipient, ...],
    BeforeValidator(_as_list, json_schema_input_type=Recipient | _Somebody),
    _ONE_TO_FIVE,
    _OfTheList(),
]


class TextMatch(Frozen):
    """Conditions on one text, without regard to case; each key's list is "any of", the keys together are "all"."""

    contains: Words | None = None
    equals: Words | None = None
    starts: Words | None = None
    ends: Words | None = None
    matches: Patterns | None = None

    @property
    def conditions(self) -> int:
        """How many words and patterns there are."""
        return sum(len(words or ()) for words in (self.contains, self.equals, self.starts, self.ends, self.matches))


class SizeMatch(Frozen):
    """Conditions on the raw mail's size in bytes."""

    over: Annotated[int, Field(ge=0, strict=True)] | None = None
    under: Annotated[int, Field(ge=1, strict=True)] | None = None


class When(Frozen):
    """What a rule asks of a mail: all keys of one map must hold; `all`, `any` and `not` take maps of the same kind."""

    account: Ids | None = None
    from_: TextMatch | None = Field(None, alias="from")
    to: TextMatch | None = None
    subject: TextMatch | None = None
    header: Mapping[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,76}$")], TextMatch] | None = None
    body: TextMatch | None = None
    size: SizeMatch | None = None
    attachment: TextMatch | None = None
    kind: Kinds | None = None
    language: Languages | None = None
    all: When | None = None
    any: When | None = None
    not_: When | None = Field(None, alias="not")

    @property
    def conditions(self) -> int:
        """How many words and patterns are asked at most, to tell how much work a rule is."""
        texts = (self.from_, self.to, self.subject, self.body, self.attachment, *(self.header or {}).values())
        words = sum(text.conditions for text in texts if text is not None)
        return 1 + words + sum(inner.conditions for inner in (self.all, self.any, self.not_) if inner is not None)


class Priority(StrEnum):
    """How urgent a case is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class ReferKind(StrEnum):
    """How a rule asks an external: the answer goes to the customer, or to the case's agent."""

    FORWARD = "forward"
    INQUIRY = "inquiry"


class Refer(Frozen):
    """Whom a rule asks about the case by itself."""

    kind: ReferKind = ReferKind.FORWARD
    to: Somebody
    text: Annotated[str, StringConstraints(max_length=5_000)] = ""


class Then(Frozen):
    """What a matching rule does with the mail and its case."""

    queue: Slug | None = None
    agent: Recipient | None = None
    tags: Annotated[tuple[Slug, ...], Field(max_length=20)] = ()
    priority: Priority | None = None
    notify: Recipients = ()
    refer: Refer | None = None
    hold: Annotated[bool, Field(strict=True)] = False
    discard: Annotated[bool, Field(strict=True)] = False


class Rule(Frozen):
    """One routing rule; the first whose `when` holds wins."""

    id: Slug
    when: When
    then: Then


class SampleMail(Frozen):
    """A mail as a rule test writes it."""

    account: Slug
    from_: str = Field("customer@customer.example", alias="from")
    to: str | None = None
    subject: str = ""
    body: str = ""
    header: Mapping[str, str] = {}
    kind: Kind = Kind.HUMAN
    attachment: Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str])] = ()
    size: Annotated[int, Field(ge=0, strict=True)] = 2_000


class Expectation(Frozen):
    """What a rule test expects; a key left out is not checked, `rule: none` expects that no rule matches."""

    rule: Slug | None = None
    queue: Slug | None = None
    agent: str | None = None
    tags: tuple[Slug, ...] | None = None
    priority: Priority | None = None
    notify: tuple[str, ...] | None = None
    refer: tuple[str, ...] | None = None
    hold: Annotated[bool, Field(strict=True)] | None = None
    discard: Annotated[bool, Field(strict=True)] | None = None


class RuleTest(Frozen):
    """One line of `tests:`: a mail and what the rules must do with it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    mail: SampleMail
    expect: Expectation
