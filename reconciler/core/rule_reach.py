"""Rules that can never be hit: those that no mail satisfies, and those an earlier rule takes every mail from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core.kind import Kind
from reconciler.core.rule import Rule, SizeMatch, TextMatch, When

_NEVER_ASKED = frozenset({Kind.AUTO_REPLY, Kind.BOUNCE, Kind.RECEIPT, Kind.FEEDBACK, Kind.CHALLENGE, Kind.LOOP})
"""Kinds that open no case, so that no rule is asked about them."""


def impossible(when: When, inbound: frozenset[str]) -> str | None:
    """Why no mail satisfies the conditions, in words; None if one may. `inbound`: the accounts rules are asked at."""
    if when.account is not None and not inbound & set(when.account):
        return "rules are asked at inbound accounts only, and none of these is one"
    if when.kind is not None and set(when.kind) <= _NEVER_ASKED:
        return "no rule is asked about mails of this kind: they open no case"
    size = when.size
    if size is not None and size.over is not None and size.under is not None and size.over + 1 >= size.under:
        return "no size is both over and under"
    for text in (when.from_, when.to, when.subject, when.body, when.attachment, *(when.header or {}).values()):
        if text is not None and (why := _contradiction(text)):
            return why
    if when.any is not None and not when.any.model_fields_set:
        return "`any` without a key never holds"
    if when.not_ is not None and not when.not_.model_fields_set:
        return "`not` without a key never holds"
    if when.not_ is not None and when == when.not_.model_copy(update={"not_": when.not_}):
        return "it asks for what `not` excludes"
    return impossible(when.all, inbound) if when.all is not None else None


def _contradiction(text: TextMatch) -> str | None:
    """Why no text satisfies these conditions: `equals` names texts that the other keys refuse."""
    if text.equals is None or text.matches is not None:
        return None
    for equal in text.equals:
        folded = equal.casefold()
        if (
            (text.contains is None or any(w.casefold() in folded for w in text.contains))
            and (text.starts is None or any(folded.startswith(w.casefold()) for w in text.starts))
            and (text.ends is None or any(folded.endswith(w.casefold()) for w in text.ends))
        ):
            return None
    others = [key for key in ("contains", "starts", "ends") if getattr(text, key) is not None]
    return f"no text of `equals` satisfies {' and '.join(f'`{key}`' for key in others)}" if others else None


def shadowed(rules: Sequence[Rule]) -> Iterator[tuple[int, str]]:
    """Position and the id of an earlier rule that matches every mail this one does."""
    for position, rule in enumerate(rules):
        before = next((earlier for earlier in rules[:position] if _covers(earlier.when, rule.when)), None)
        if before is not None:
            yield position, before.id


def _covers(wide: When, narrow: When) -> bool:
    """Whether every mail that satisfies `narrow` satisfies `wide`; False where that cannot be seen at once."""
    for name in wide.model_fields_set:
        asked, given = getattr(wide, name), getattr(narrow, name)
        if asked is None:
            continue
        if given is None or not _COVERED.get(name, _same)(asked, given):
            return False
    return True


def _same(wide: object, narrow: object) -> bool:
    return wide == narrow


def _one_of(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    return set(narrow) <= set(wide)


def _sizes(wide: SizeMatch, narrow: SizeMatch) -> bool:
    over = wide.over is None or (narrow.over is not None and narrow.over >= wide.over)
    return over and (wide.under is None or (narrow.under is not None and narrow.under <= wide.under))


def _texts(wide: TextMatch, narrow: TextMatch) -> bool:
    """Each condition of the wide one follows from one of the narrow one."""
    for name in wide.model_fields_set:
        asked, given = getattr(wide, name), getattr(narrow, name)
        if asked is None:
            continue
        words = given or (narrow.equals if name in ("contains", "starts", "ends") else None)
        if words is None or not all(any(_FOLLOWS[name](a.casefold(), w.casefold()) for a in asked) for w in words):
            return False
    return True


_FOLLOWS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda asked, given: asked in given,
    "equals": lambda asked, given: asked == given,
    "starts": lambda asked, given: given.startswith(asked),
    "ends": lambda asked, given: given.endswith(asked),
    "matches": lambda asked, given: asked == given,
}


def _headers(wide: Mapping[str, TextMatch], narrow: Mapping[str, TextMatch]) -> bool:
    lower = {name.lower(): text for name, text in narrow.items()}
    return all(name.lower() in lower and _texts(text, lower[name.lower()]) for name, text in wide.items())


_COVERED: Mapping[str, Callable[..., bool]] = {
    "account": _one_of,
    "kind": _one_of,
    "language": _one_of,
    "size": _sizes,
    "from_": _texts,
    "to": _texts,
    "subject": _texts,
    "body": _texts,
    "attachment": _texts,
    "header": _headers,
}
