"""Knows how to make a mail's HTML harmless to show: no script, no form, nothing fetched from elsewhere."""

from __future__ import annotations

import re
from html import escape

from reconciler.core.htmltext import html_to_text

_SIZE_LIMIT = 500_000
_DEPTH_LIMIT = 100

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})[^<>]*>")

# Their end tags are often left out, or they have none: counting them would take a long mail for a deep one.
_FLAT = frozenset(
    {"area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p", "wbr"}
)


def safe_html(html: str) -> str:
    """`html` with harmless tags and attributes only; images only from the mail itself (`cid:`). Never raises.

    Above 500,000 characters or 100 levels the words are left: a sanitiser's time grows with the square of the depth.
    """
    import nh3

    if len(html) > _SIZE_LIMIT or _depth(html) > _DEPTH_LIMIT:
        return f"<pre>{escape(html_to_text(html))}</pre>"
    return nh3.clean(
        html,
        url_schemes={"http", "https", "mailto", "cid"},
        attribute_filter=_from_the_mail,
        link_rel="noopener noreferrer nofollow",
    )


def _from_the_mail(tag: str, attribute: str, value: str) -> str | None:
    """An image from elsewhere tells its owner who reads the mail, and when."""
    fetched = attribute in ("src", "background", "srcset", "poster") or (tag == "img" and attribute == "longdesc")
    return None if fetched and not value.strip().lower().startswith("cid:") else value


def _depth(html: str) -> int:
    depth = deepest = 0
    for closing, name in _TAG.findall(html):
        if name.lower() not in _FLAT:
            depth = max(0, depth - 1) if closing else depth + 1
            deepest = max(deepest, depth)
    return deepest
