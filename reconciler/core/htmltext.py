"""Knows how to make readable plain text of a mail's HTML in linear time; knows nothing of mails."""

from __future__ import annotations

import re
from html import unescape

from reconciler.core.charset import clean_text

_SIZE_LIMIT = 500_000
_DEPTH_LIMIT = 100

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})[^<>]*>")
_ANY_TAG = re.compile(r"<(/?)([a-zA-Z!?][^\s<>/]{0,20})[^<>]*>")
_STYLE = re.compile(r"""\bstyle\s{0,20}=\s{0,20}("[^"]*"|'[^']*'|[^\s>"']+)""", re.IGNORECASE)
_TABLE = re.compile(r"<(/?)(table|thead|tbody|tfoot|tr|td|th|colgroup|col|caption)(?=[\s/>])", re.IGNORECASE)

# Their end tags are often left out, or they have none: counting them would take a long mail for a deep one.
_FLAT = frozenset(
    {"area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p", "wbr"}
)
_SILENT = frozenset({"script", "style", "head", "title", "template"})
_BLOCKS = frozenset(
    {"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr"}
)


def html_to_text(html: str) -> str:
    """Plain text of `html`. Never raises; HTML above 500,000 characters or 100 levels loses its layout only."""
    source = _without_comments(clean_text(html))
    if len(source) <= _SIZE_LIMIT and _depth(source) <= _DEPTH_LIMIT:
        try:
            return _tidy(_laid_out(_plain_layout(source)))
        except Exception:  # lxml and inscriptis raise whatever they meet; the tags can always be cut out.
            return _tidy(_strip_tags(source))
    return _tidy(_strip_tags(source))


def _laid_out(html: str) -> str:
    # Loaded with the first HTML mail: most commands never see one.
    from inscriptis import get_text
    from inscriptis.css_profiles import STRICT_CSS_PROFILE
    from inscriptis.model.config import ParserConfig

    text: str = get_text(html, ParserConfig(css=STRICT_CSS_PROFILE, display_links=False, display_images=False))
    return text


def _without_comments(html: str) -> str:
    first, *others = html.split("<!--")
    return first + "".join(chunk.partition("-->")[2] for chunk in others)


def _depth(html: str) -> int:
    depth = deepest = 0
    for closing, name in _TAG.findall(html):
        if name.lower() not in _FLAT:
            depth = max(0, depth - 1) if closing else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _plain_layout(html: str) -> str:
    """`html` without what lets a few bytes grow to gigabytes of blanks: margins in styles, columns padded to one width.

    Rows become lines and cells words; hidden text stays hidden.
    """
    unstyled = _STYLE.sub(lambda m: 'style="display:none"' if _hides(m.group(1)) else "", html)
    return _TABLE.sub(lambda m: _cell(m.group(1), m.group(2).lower()), unstyled)


def _hides(style: str) -> bool:
    squeezed = "".join(style.lower().split())
    return "display:none" in squeezed


def _cell(closing: str, name: str) -> str:
    if name in ("td", "th"):
        return "</span" if closing else " <span"
    return f"<{closing}div"


def _strip_tags(html: str) -> str:
    out: list[str] = []
    silent, end = "", 0
    for tag in _ANY_TAG.finditer(html):
        closing, name = tag.group(1), tag.group(2).lower()
        if not silent:
            out.append(html[end : tag.start()])
            if name in _BLOCKS:
                out.append("\n")
        if name in _SILENT:
            silent = "" if closing and name == silent else silent or ("" if closing else name)
        end = tag.end()
    if not silent:
        out.append(html[end:])
    text = "".join(out)
    try:
        return unescape(text)
    except ValueError:  # `&#` with thousands of digits
        return text


def _tidy(text: str) -> str:
    """No blanks at line ends, at most one blank line in a row."""
    lines: list[str] = []
    for line in clean_text(text).replace("\N{NO-BREAK SPACE}", " ").split("\n"):
        stripped = line.rstrip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return "\n".join(lines).strip("\n")
