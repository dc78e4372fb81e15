"""Knows how to make readable plain text of a mail's HTML in one pass over it; knows nothing of mails."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

from reconciler.core.charset import clean_text

_TOKEN = re.compile(r"<(/?)([a-zA-Z!?][^\s<>/]{0,20})([^<>]*)>")
_HIDDEN = re.compile(r"display\s{0,9}:\s{0,9}none", re.IGNORECASE)
_CITED = re.compile(
    r"""\b(?:type\s?=\s?["']?cite|class\s?=\s?["']?(?:gmail_quote|moz-cite|yahoo_quoted))""", re.IGNORECASE
)

_SILENT = frozenset({"script", "style", "head", "title", "template", "noscript"})
_WITHOUT_END = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr", "p", "li"})
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "blockquote", "hr", "figure"}
)
_BLOCKS = frozenset(
    {"div", "tr", "li", "table", "dd", "dt", "section", "article", "header", "footer", "center", "address", "form"}
)
_CELLS = frozenset({"td", "th"})

_LISTS_SHOWN = 8
_QUOTES_SHOWN = 8


@dataclass(slots=True)
class _Page:
    """What was written so far, and what the next word needs before it: line ends, a blank, a bullet."""

    out: list[str] = field(default_factory=list)
    lines: int = 0
    blank: bool = False
    bullet: str = ""
    lists: int = 0
    preformatted: int = 0
    quotes: list[bool] = field(default_factory=list)
    cited: int = 0

    def text(self, raw: str) -> None:
        if self.preformatted:
            self._word(raw.replace("\n", f"\n{self._margin()}"))
            return
        words = " ".join(raw.split())
        self.blank = self.blank or raw[:1].isspace()
        if words:
            self._word(words)
            self.blank = raw[-1:].isspace()

    def _word(self, shown: str) -> None:
        if self.lines:
            ends = "\n" * self.lines if self.out else ""
            self.out.append(f"{ends}{self._margin()}{self.bullet}")
        elif self.blank and self.out:
            self.out.append(" ")
        self.lines, self.blank, self.bullet = 0, False, ""
        self.out.append(shown)

    def _margin(self) -> str:
        return "> " * min(self.cited, _QUOTES_SHOWN)

    def tag(self, closing: bool, name: str, attributes: str) -> None:
        if name == "br":
            self.lines = min(self.lines + 1, 2)
        elif name in _CELLS:
            self.blank = True
        elif name in _PARAGRAPHS:
            self.lines = max(self.lines, 1 if name in ("ul", "ol") and self.lists + (not closing) > 1 else 2)
        elif name in _BLOCKS:
            self.lines = max(self.lines, 1)
        self._structure(closing, name, attributes)

    def _structure(self, closing: bool, name: str, attributes: str) -> None:
        if name == "li" and not closing:
            self.bullet = "  " * min(max(self.lists, 1), _LISTS_SHOWN) + "* "
        elif name in ("ul", "ol"):
            self.lists = max(0, self.lists + (-1 if closing else 1))
        elif name == "pre":
            self.preformatted = max(0, self.preformatted + (-1 if closing else 1))
        elif name == "blockquote" and not closing:
            self.quotes.append(_CITED.search(attributes) is not None)
            self.cited += self.quotes[-1]
        elif name == "blockquote" and self.quotes:
            self.cited -= self.quotes.pop()


def html_to_text(html: str) -> str:
    """Plain text of `html`, rows of tables as lines, what a mail program cites after `> `. Never raises; linear."""
    source = _without_comments(clean_text(html))
    page, unseen = _rendered(source, _SILENT, hiding=True)
    if unseen:
        # Something hidden never ended: whoever wrote it wanted a person to see the rest.
        page, _ = _rendered(source, frozenset({"script", "style", "title"}), hiding=False)
    text = "".join(page.out)
    try:
        return _tidy(unescape(text))
    except ValueError:  # `&#` with thousands of digits
        return _tidy(text)


def _rendered(source: str, silent: frozenset[str], *, hiding: bool) -> tuple[_Page, bool]:
    """The page, and whether its end lies in something that is not shown and never ended."""
    page = _Page()
    skipped, depth, end = "", 0, 0
    for tag in _TOKEN.finditer(source):
        closing, name, attributes = bool(tag.group(1)), tag.group(2).lower(), tag.group(3)
        if not skipped:
            if tag.start() > end:
                page.text(source[end : tag.start()])
            hidden = hiding and not closing and name not in _WITHOUT_END and _HIDDEN.search(attributes) is not None
            if (name in silent or hidden) and not closing and not attributes.endswith("/"):
                skipped, depth = name, 1
            elif hiding and name == "p" and not closing and _HIDDEN.search(attributes):
                skipped, depth = "p", 1
            else:
                page.tag(closing, name, attributes)
        elif name == skipped:
            depth += -1 if closing or name == "p" else 1
            skipped = skipped if depth else ""
        end = tag.end()
    if not skipped:
        page.text(source[end:])
    return page, bool(skipped) and skipped not in ("script", "style")


def _without_comments(html: str) -> str:
    first, *others = html.split("<!--")
    return first + "".join(chunk.partition("-->")[2] for chunk in others)


def _tidy(text: str) -> str:
    """No blanks at line ends, at most one blank line in a row."""
    lines: list[str] = []
    for line in clean_text(text).replace("\N{NO-BREAK SPACE}", " ").split("\n"):
        stripped = line.rstrip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return "\n".join(lines).strip("\n")
