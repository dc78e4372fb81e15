"""Draws rows as bars, as SVG text; knows nothing of what they measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_BAR, _GAP, _LEFT, _WIDE = 16, 6, 210, 460
_OURS, _THEIRS = "#2463a5", "#b8bcc2"


def bars(groups: Mapping[str, Sequence[tuple[str, float, bool]]], unit: str) -> str:
    """Groups of (name, value, whether it is ours) as horizontal bars, each group to its own scale."""
    y, parts = 10, []
    for title, rows in groups.items():
        y += 22
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}</text>')
        y += 8
        top = max((value for _, value, _ in rows), default=0) or 1
        for name, value, ours in rows:
            wide = max(1, round(value / top * _WIDE))
            colour = _OURS if ours else _THEIRS
            parts.append(f'<text x="{_LEFT - 8}" y="{y + _BAR - 4}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{wide}" height="{_BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + wide + 6}" y="{y + _BAR - 4}">{value:,.0f} {escape(unit)}</text>')
            y += _BAR + _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDE + 130}" height="{y + 10}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
    return head + "\n".join(parts) + "</svg>\n"
