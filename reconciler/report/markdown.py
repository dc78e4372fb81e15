"""Text in Markdown (CommonMark, GitHub's and GitLab's) in which nothing that came from a file can be markup."""

from __future__ import annotations

import re

from reconciler.report.terminal import visible

_BACKTICKS = re.compile("`+")


def code(text: str) -> str:
    """The text as a code span (CommonMark 6.1): no markup, link, mention, reference or emoji is read in it."""
    shown = visible(text) or '""'
    fence = "`" * (max(map(len, _BACKTICKS.findall(shown)), default=0) + 1)
    # One space on both sides is taken away again: it keeps backticks apart, and saves a text's own spaces.
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown.strip() else f'{fence}"{shown}"{fence}'
