"""Writes down how accounts stand after their steps, no oftener than anyone looks: commits are dear, steps are many."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.health import Condition
from reconciler.runtime.step import Tools
from reconciler.store.health import clear_next_steps, write_health

HEALTH_EVERY = timedelta(seconds=10)
"""A step that changes nothing in an account's health is written down at most this often."""
BACKLOG_EVERY = timedelta(seconds=1)
"""One that changes nothing but the number of waiting mails, this often."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What was written last. `at` in monotonic seconds."""

    condition: Condition
    reason: str
    backlog: int | None
    next_at: datetime | None
    at: float


class HealthRows:
    """The rows of the accounts that one engine serves; belongs to its thread."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._written: dict[int, _Row] = {}

    def write(
        self, key: int, condition: Condition, reason: str, backlog: int | None, next_at: datetime | None = None
    ) -> None:
        """How a step went, and when the account's next one is due; None of either: unknown, what was known stays."""
        row = _Row(condition, reason, backlog, next_at, time.monotonic())
        if (known := self._written.get(key)) is not None and not _is_news(known, row):
            return
        self._written[key], at = row, self._tools.clock()
        self._tools.writer.submit(lambda c: write_health(c, key, condition, reason, backlog, at, next_at))

    def not_scheduled(self, keys: Collection[int] | None = None) -> None:
        """No step of these accounts is due any more; None: of no account at all."""
        for key in list(self._written) if keys is None else keys:
            self._written.pop(key, None)
        if keys is None or keys:
            self._tools.writer.submit(lambda c: clear_next_steps(c, keys))


def _is_news(known: _Row, row: _Row) -> bool:
    if (known.condition, known.reason) != (row.condition, row.reason):
        return True
    if known.next_at and row.next_at and abs(row.next_at - known.next_at) > HEALTH_EVERY:
        return True
    counts_on = bool(known.backlog) and bool(row.backlog)
    every = HEALTH_EVERY if known.backlog == row.backlog else BACKLOG_EVERY if counts_on else timedelta()
    return row.at - known.at >= every.total_seconds()
