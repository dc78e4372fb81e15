"""Draws rows as bars and numbers over time as lines, as SVG text; knows nothing of what they measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_BAR, _GAP, _LEFT, _WIDE = 16, 6, 210, 460
_LINES_LEFT, _LINES_WIDE = 70, 640
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
    return _framed(_LEFT + _WIDE + 130, y + 10, parts)


def curves(at: Sequence[float], lines: Mapping[str, Sequence[float]], unit: str) -> str:
    """Lines over the same instants, one below the other, each from 0 to its own greatest value."""
    tall, y, parts = 90, 10, []
    span = (at[-1] - at[0]) or 1.0
    for title, values in lines.items():
        top = max(values, default=0.0) or 1.0
        y += 20
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}</text>')
        parts.append(f'<text x="{_LINES_LEFT - 8}" y="{y + 18}" text-anchor="end">{top:,.0f}</text>')
        y += 8
        points = " ".join(
            f"{_LINES_LEFT + (x - at[0]) / span * _LINES_WIDE:.1f},{y + tall - value / top * tall:.1f}"
            for x, value in zip(at, values, strict=True)
        )
        frame = f"M{_LINES_LEFT} {y}V{y + tall}H{_LINES_LEFT + _LINES_WIDE}"
        parts.append(f'<path d="{frame}" fill="none" stroke="{_THEIRS}"/>')
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_OURS}" stroke-width="1.5"/>')
        y += tall
    parts.append(f'<text x="{_LINES_LEFT + _LINES_WIDE}" y="{y + 16}" text-anchor="end">{span:,.0f} {unit}</text>')
    return _framed(_LINES_LEFT + _LINES_WIDE + 30, y + 26, parts)


def _framed(wide: int, tall: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{tall}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
    return head + "\n".join(parts) + "</svg>\n"
