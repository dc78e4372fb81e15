"""How people sign their mails, and the text without it; not who the signer is to us.

Closing formulas of English, German, French, Spanish and Italian are known. Work is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.quoting import RULE, text_lines

_SIGNATURE_LINES = 15

_MOBILE = re.compile(
    r"(?:sent from (?:my|mail for|outlook|yahoo)|get outlook for|von meinem .{1,30} gesendet"
    r"|gesendet (?:von|mit|mithilfe)|envoyé (?:de|depuis)|obtenez outlook|enviado desde|obtener outlook|inviato da"
    r"|scarica outlook)\b.{0,80}",
    re.IGNORECASE,
)
_FORMULA = (
    r"(?:(?:with )?(?:kind|kindest|best|warm|warmest) (?:regards|wishes)|regards|best"
    r"|(?:yours )?sincerely(?: yours)?|yours (?:faithfully|truly)|cordially|cheers|thank you"
    r"|(?:many )?thanks(?: (?:and|&) (?:(?:best|kind) )?regards)?"
    r"|mit (?:freundliche[nm]|besten|herzlichen|vielen) gr(?:ü|ue|u)(?:ß|ss)(?:en)?"
    r"|(?:(?:freundliche|viele|beste|liebe|herzliche|sch(?:ö|oe)ne) )?gr(?:ü|ue)(?:ß|ss)e"
    r"|(?:(?:sch(?:ö|oe)nen|lieben) )?gru(?:ß|ss)|mfg|vg|lg|hochachtungsvoll"
    r"|(?:bien )?cordialement|bien à vous|(?:(?:sincères|meilleures) )?salutations(?: distinguées)?|merci"
    r"|(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|gracias"
    r"|cordialmente|(?:(?:cordiali|distinti) )?saluti|un saluto|grazie)"
)
_CLOSING = re.compile(_FORMULA + r"(?P<rest>\b.{0,40})?", re.IGNORECASE)
_CLOSING_ALONE = re.compile(_FORMULA + r"[ ,.!]{0,3}", re.IGNORECASE)
_AFTER_CLOSING = frozenset(
    ("in", "advance", "im", "voraus", "vorab", "again", "and", "und", "to", "all", "from", "aus")
)
_POSTSCRIPT = re.compile(r"p\.? ?s\.?\s?[:.\s-]", re.IGNORECASE)
_REACHED_AT = re.compile(
    r"(?:(?:tel|telefon|telephone|téléphone|phone|mobile?|mobil|handy|cell|fax|durchwahl|direct|m|t|f|p)\s?[.:]{0,2}\s?"
    r"[+(]{0,2}|\+|\+?\(|0)\d[\d\s()/.-]{5,30}|(?:web|www|internet|url|e-?mail|mail|mailto|skype|linkedin)\s?[.:].{1,120}"
    r"|https?://\S{1,200}|<?(?:mailto:)?[^\s@<>]{1,64}@[^\s@<>]{1,200}>?",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature to look for: display names, the single words they and the address are made of, and the
    addresses and domains whose mention in a line marks it as theirs. All in lower case."""

    names: frozenset[str]
    words: frozenset[str]
    marks: frozenset[str]


def without_signature(text: str, signer: Signer) -> str:
    """The text without the signature at its end; a postscript stays."""
    lines = _cut_at_delimiter(text_lines(text))
    lines = _cut_at_closing(lines, signer)
    lines = _without_end(lines, signer)
    return "\n".join(line for line in lines if not is_name(line, signer)).strip("\n")


def is_name(line: str, signer: Signer) -> bool:
    """Whether the line holds one of the signer's display names and nothing else, in any order of its words."""
    if len(line) > 120:
        return False
    words = sorted(_WORDS.findall(line.lower()))
    return bool(words) and any(words == sorted(_WORDS.findall(name)) for name in signer.names)


def _cut_at_delimiter(lines: list[str]) -> list[str]:
    remaining = sum(1 for line in lines if line.strip())
    for position, line in enumerate(lines):
        remaining -= bool(line.strip())
        # `-- ` is the delimiter (RFC 3676, 4.3); without its blank it may be a divider in a longer text.
        if line == "-- " or (line.rstrip() == "--" and remaining <= _SIGNATURE_LINES):
            return lines[:position]
    return lines


def _cut_at_closing(lines: list[str], signer: Signer) -> list[str]:
    after = 0
    for position in range(len(lines) - 1, -1, -1):
        line = lines[position].strip()
        if after > _SIGNATURE_LINES:
            return lines
        if _closes(lines, position, signer):
            rest = lines[position + 1 :]
            postscript = next((n for n, x in enumerate(rest) if _POSTSCRIPT.match(x.strip())), len(rest))
            return lines[:position] + rest[postscript:]
        after += bool(line)
    return lines


def _closes(lines: Sequence[str], position: int, signer: Signer) -> bool:
    line = lines[position].strip()
    closing = _CLOSING.fullmatch(line.rstrip(" ,.!"))
    if not line or len(line) > 80 or closing is None:
        return False
    rest = set(_WORDS.findall((closing["rest"] or "").lower()))
    if not rest <= signer.words | _AFTER_CLOSING:
        # `Thanks for asking, it works now` is an answer.
        return False
    following = [x for x in lines[position + 1 : position + 8] if x.strip()][:3]
    return not rest.isdisjoint(signer.words) or any(_names_signer(x, signer) for x in following)


def _names_signer(line: str, signer: Signer) -> bool:
    """Whether the line is a name and perhaps a title or department, rather than a sentence that mentions one."""
    words = [word for word in _WORDS.findall(line.lower()[:80]) if len(word) > 3 or word in signer.words]
    theirs = [word for word in words if word in signer.words]
    if not theirs or len(line) > 80:
        return False
    leads = words[0] in signer.words and len(words) <= 5 and not line.rstrip().endswith((".", ":", "?", "!", ";"))
    return leads or 2 * len(theirs) >= len(words)


def _without_end(lines: list[str], signer: Signer) -> list[str]:
    """Without the block at the end that says who wrote and how to reach them, if it shows that it is the signer's."""
    lines = lines[: _end_before(lines, _MOBILE)]
    end = len(lines)
    certain = False
    while end and len(lines) - end < 3 * _SIGNATURE_LINES:
        line = lines[end - 1].strip()[:200]
        named = bool(line) and set(_WORDS.findall(line.lower())) <= signer.words and _names_signer(line, signer)
        reached = _REACHED_AT.fullmatch(line) is not None
        # A signature begins with the name: what is above it was said.
        if named or RULE.fullmatch(line) or (reached and not certain):
            end -= 1
            certain = certain or named
        else:
            break
    marked = any(mark in line.lower() for mark in signer.marks for line in lines[end:])
    lines = lines[:end] if certain or marked else lines
    return lines[: _end_before(lines, _CLOSING_ALONE)]


def _end_before(lines: list[str], ending: re.Pattern[str]) -> int:
    """How many lines there are before those at the end that are blank, drawn or of the pattern."""
    end = len(lines)
    while end and (RULE.fullmatch(lines[end - 1]) or ending.fullmatch(lines[end - 1].strip()[:200])):
        end -= 1
    return end
