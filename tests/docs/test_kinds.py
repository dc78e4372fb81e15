"""docs/kinds.md: its signals are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.core.kind_signals import SIGNALS
from reconciler.core.mail_kind import Kind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")


def test_the_signals_are_listed_in_their_order() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| `([a-z_]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(signal.slug, signal.kind.value, signal.source) for signal in SIGNALS]


def test_every_kind_has_its_row() -> None:
    table = PAGE.partition("## Signals")[0]
    assert {kind.value for kind in Kind} <= set(re.findall(r"`([a-z_]+)`", table))
