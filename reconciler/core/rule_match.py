"""Whether rules match a mail's facts: asked in their order, the first that holds wins; and the rules' own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import re2

from reconciler.core.kind import Kind
from reconciler.core.language import Language, detect
from reconciler.core.rule import Rule, RuleTest, SizeMatch, TextMatch, Then, When, re2_options


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules may ask of a mail. `body`, `language` and `attachments` are functions: who asks has them parsed."""

    account: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]
    size: int
    kind: Kind
    body: Callable[[], str]
    language: Callable[[], Language | None]
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
        language=lambda: detect(f"{mail.subject}\n{mail.body}"),
        attachments=lambda: mail.attachment,
    )
    rule = first_match(rules, facts).rule
    got_rule = rule.id if rule else "none"
    then = rule.then if rule else Then()
    wanted = test.expect.model_dump(exclude_none=True)
    done = then.model_dump() | {"refer": then.refer.to if then.refer else ()}
    got = {"rule": got_rule, **{key: value for key, value in done.items() if key in wanted}}
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


class RuleBook:
    """A tenant's rules made ready to be asked often: of many rules only those are looked at whose words occur.

    A rule that asks for words in subject, From or To can only hold if one of them stands there, and one pass of RE2
    finds all that do. The answer is that of asking every rule in its order.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules, self._ids = tuple(rules), tuple(rule.id for rule in rules)
        words: dict[str, dict[str, list[int]]] = {name: {} for name in _FIELDS}
        always: list[int] = []
        for position, rule in enumerate(self._rules):
            asked = _necessary(rule.when)
            if asked is None:
                always.append(position)
                continue
            name, needed = asked
            for word in needed:
                words[name].setdefault(word.casefold(), []).append(position)
        self._always = frozenset(always)
        self._indexes = [(_FIELDS[name], _WordIndex(found)) for name, found in words.items() if found]

    def __len__(self) -> int:
        return len(self._rules)

    def __getitem__(self, position: int) -> Rule:
        return self._rules[position]

    def first_match(self, facts: Facts) -> Verdict:
        """The first rule that holds."""
        candidates = set(self._always)
        for read, index in self._indexes:
            candidates.update(index.positions(read(facts)))
        for position in sorted(candidates):
            if _holds(self._rules[position].when, facts):
                return Verdict(self._rules[position], self._ids[:position])
        return Verdict(None, self._ids)


_MOST_BOOKS = 2_000
_BOOKS: dict[int, tuple[Sequence[Rule], RuleBook]] = {}


def book_of(rules: Sequence[Rule]) -> RuleBook:
    """The book of these very rules, made once: making one costs as much as asking it some hundred times."""
    made = _BOOKS.get(id(rules))
    if made is not None and made[0] is rules:
        return made[1]
    if len(_BOOKS) >= _MOST_BOOKS:
        _BOOKS.clear()
    book = RuleBook(rules)
    # Kept together, so that the rules' identity is not given to others.
    _BOOKS[id(rules)] = (rules, book)
    return book


_FIELDS: dict[str, Callable[[Facts], str]] = {
    "subject": lambda facts: facts.subject,
    "from_": lambda facts: facts.sender,
    "to": lambda facts: "\n".join(facts.recipients),
}


class _WordIndex:
    """Which rules' words occur in a text."""

    def __init__(self, words: Mapping[str, Sequence[int]]) -> None:
        options = re2.Options()
        options.log_errors = False
        self._positions = tuple(words.values())
        self._set = re2.Set.SearchSet(options)
        for word in words:
            self._set.Add(re2.escape(word))
        self._set.Compile()

    def positions(self, text: str) -> Iterator[int]:
        for found in self._set.Match(text.casefold().encode("utf-8", "replace")) or ():
            yield from self._positions[found]


def _necessary(when: When) -> tuple[str, Sequence[str]] | None:
    """A field and words of which one must stand there; None if the rule does not ask for words in such a field."""
    for name in _FIELDS:
        text: TextMatch | None = getattr(when, name)
        if text is None:
            continue
        words = text.contains or text.equals or text.starts or text.ends
        # What UTF-8 cannot hold is written otherwise in the text that is searched.
        if words and all(word.isprintable() and "\x00" not in word for word in words):
            return name, words
    return None


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
    if when.all is not None:
        yield all(_answers(when.all, facts))
    if when.any is not None:
        yield any(_answers(when.any, facts))
    if when.not_ is not None:
        yield not all(_answers(when.not_, facts))
    if when.attachment is not None:
        yield _text_holds(when.attachment, tuple(facts.attachments()))
    if when.language is not None:
        yield facts.language() in when.language
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
    return re2.compile(pattern, re2_options())
