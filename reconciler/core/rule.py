"""Routing rules: what may be written in `routing:` and `tests:`, and whether a rule matches a mail's facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from reconciler.core.mail_kind import Kind
from reconciler.core.secret import Slug
from reconciler.core.settings import Frozen

_MAX_PATTERN = 500


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    return options


def _compiles(pattern: str) -> str:
    try:
        re2.compile(pattern, _options())
    except re2.error as error:
        text = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"not a regular expression that RE2 takes: {text}") from error
    return pattern


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_SOME = Field(min_length=1, max_length=100)
_Word = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_PATTERN)]
_Words = Annotated[tuple[_Word, ...], _SOME]
_Ids = Annotated[tuple[Slug, ...], _SOME]
_Kinds = Annotated[tuple[Kind, ...], Field(min_length=1)]

# The length is checked behind the reading: a word that is wrong is not also counted as missing.
Words = Annotated[tuple[_Word, ...], BeforeValidator(_as_list, json_schema_input_type=_Word | _Words), _SOME]
Patterns = Annotated[
    tuple[Annotated[_Word, AfterValidator(_compiles)], ...],
    BeforeValidator(_as_list, json_schema_input_type=_Word | _Words),
    _SOME,
]
Ids = Annotated[tuple[Slug, ...], BeforeValidator(_as_list, json_schema_input_type=Slug | _Ids), _SOME]
Kinds = Annotated[
    tuple[Kind, ...], BeforeValidator(_as_list, json_schema_input_type=Kind | _Kinds), Field(min_length=1)
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
    """What a rule asks of a mail: all keys of one map must hold; `any` and `not` take maps of the same kind."""

    account: Ids | None = None
    from_: TextMatch | None = Field(None, alias="from")
    to: TextMatch | None = None
    subject: TextMatch | None = None
    header: Mapping[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,76}$")], TextMatch] | None = None
    body: TextMatch | None = None
    size: SizeMatch | None = None
    attachment: TextMatch | None = None
    kind: Kinds | None = None
    any: When | None = None
    not_: When | None = Field(None, alias="not")

    @property
    def conditions(self) -> int:
        """How many words and patterns are asked at most, to tell how much work a rule is."""
        texts = (self.from_, self.to, self.subject, self.body, self.attachment, *(self.header or {}).values())
        words = sum(text.conditions for text in texts if text is not None)
        return 1 + words + sum(inner.conditions for inner in (self.any, self.not_) if inner is not None)


class Priority(StrEnum):
    """How urgent a case is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Then(Frozen):
    """What a matching rule does with the mail and its case."""

    queue: Slug | None = None
    agent: Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    tags: Annotated[tuple[Slug, ...], Field(max_length=20)] = ()
    priority: Priority | None = None
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
    hold: Annotated[bool, Field(strict=True)] | None = None
    discard: Annotated[bool, Field(strict=True)] | None = None


class RuleTest(Frozen):
    """One line of `tests:`: a mail and what the rules must do with it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    mail: SampleMail
    expect: Expectation


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules may ask of a mail. `body` and `attachments` are functions: only a rule that asks has them parsed."""

    account: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]
    size: int
    kind: Kind
    body: Callable[[], str]
    attachments: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The rule that matched (None: no rule did) and the ids of those asked before it."""

    rule: Rule | None
    missed: tuple[str, ...]


def first_match(rules: Sequence[Rule], facts: Facts) -> Verdict:
    """Ask the rules in order; the first that holds wins."""
    missed: list[str] = []
    for rule in rules:
        if _holds(rule.when, facts):
            return Verdict(rule, tuple(missed))
        missed.append(rule.id)
    return Verdict(None, tuple(missed))


def run_test(rules: Sequence[Rule], test: RuleTest) -> str | None:
    """Run one rule test; None if the rules do as expected, else one sentence that says what they did instead."""
    mail = test.mail
    facts = Facts(
        account=mail.account,
        sender=mail.from_,
        recipients=(mail.to,) if mail.to else (),
        subject=mail.subject,
        headers=tuple((name.lower(), value) for name, value in mail.header.items()),
        size=mail.size,
        kind=mail.kind,
        body=lambda: mail.body,
        attachments=lambda: mail.attachment,
    )
    rule = first_match(rules, facts).rule
    got_rule = rule.id if rule else "none"
    then = rule.then if rule else Then()
    wanted = test.expect.model_dump(exclude_none=True)
    got = {"rule": got_rule, **{key: value for key, value in then.model_dump().items() if key in wanted}}
    for key, value in wanted.items():
        if got[key] != value:
            return f"expected {key} {_shown(value)}, the rules give {_shown(got[key])} (rule: {got_rule})"
    return None


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else str(value)


def _holds(when: When, facts: Facts) -> bool:
    return all(_answers(when, facts))


def _answers(when: When, facts: Facts) -> Iterator[bool]:
    """The answers to a map's keys, cheapest first; a generator, so that the body is parsed only if all else holds."""
    if when.account is not None:
        yield facts.account in when.account
    if when.kind is not None:
        yield facts.kind in when.kind
    if when.size is not None:
        yield _size_holds(when.size, facts.size)
    if when.from_ is not None:
        yield _text_holds(when.from_, (facts.sender,))
    if when.to is not None:
        yield _text_holds(when.to, facts.recipients)
    if when.subject is not None:
        yield _text_holds(when.subject, (facts.subject,))
    for name, match in (when.header or {}).items():
        yield _text_holds(match, tuple(v for k, v in facts.headers if k == name.lower()))
    if when.any is not None:
        yield any(_answers(when.any, facts))
    if when.not_ is not None:
        yield not all(_answers(when.not_, facts))
    if when.attachment is not None:
        yield _text_holds(when.attachment, tuple(facts.attachments()))
    if when.body is not None:
        yield _text_holds(when.body, (facts.body(),))


def _size_holds(match: SizeMatch, size: int) -> bool:
    return (match.over is None or size > match.over) and (match.under is None or size < match.under)


def _text_holds(match: TextMatch, texts: Sequence[str]) -> bool:
    return any(_one_text_holds(match, text) for text in texts)


def _one_text_holds(match: TextMatch, text: str) -> bool:
    folded = text.casefold()
    return (
        (match.contains is None or any(w.casefold() in folded for w in match.contains))
        and (match.equals is None or any(w.casefold() == folded for w in match.equals))
        and (match.starts is None or any(folded.startswith(w.casefold()) for w in match.starts))
        and (match.ends is None or any(folded.endswith(w.casefold()) for w in match.ends))
        and (match.matches is None or any(_search(p, text) for p in match.matches))
    )


def _search(pattern: str, text: str) -> bool:
    return _compiled(pattern).search(text.replace("\x00", "")) is not None


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> Any:
    """The compiled pattern; compiling costs a hundred times as much as one search."""
    return re2.compile(pattern, _options())
