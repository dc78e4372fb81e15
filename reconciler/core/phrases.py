"""Knows how to look for many phrases of many languages at once, in linear time; knows none of the phrases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import re2

_WITHOUT_SPACES = frozenset({"ja", "zh", "ko", "th"})
"""Languages whose words do not stand apart, or carry their endings: a phrase counts wherever it occurs."""


class Phrases:
    """Phrases by language, each an RE2 pattern over folded text; whole words only, where words stand apart."""

    __slots__ = ("_pattern",)

    def __init__(self, rows: Mapping[str, Iterable[str]], *, at_start: bool = False) -> None:
        apart = [_letters(phrase) for language in rows if language not in _WITHOUT_SPACES for phrase in rows[language]]
        joined = [_letters(phrase) for language in rows if language in _WITHOUT_SPACES for phrase in rows[language]]
        whole = f"(?:{'|'.join(apart)})(?:[^\\pL]|$)"
        if at_start:
            pattern = rf"^[^\pL\pN]{{0,8}}(?:{whole}|{'|'.join(joined) or whole})"
        else:
            pattern = rf"(?:^|[^\pL]){whole}" + "".join(f"|{phrase}" for phrase in joined)
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 64 << 20
        self._pattern: Any = re2.compile(pattern, options)

    def find(self, text: str) -> str | None:
        """The first phrase in `text` as it stands there; None if there is none."""
        found = self._pattern.search(text)
        return found.group().strip() if found else None


def _letters(phrase: str) -> str:
    """RE2's own `\\w` knows no letter beyond ASCII, and the class of all letters makes a table slow to compile."""
    return phrase.replace(r"\w", r"""[^\s.,;:!?()"']""")
