"""How far a drain is, from what its steps tell: the whole grows as accounts report their backlogs."""

from __future__ import annotations

from reconciler.core.fetch import StepLine


class Drained:
    """Counts the mails of one drain."""

    def __init__(self) -> None:
        self._taken = 0
        self._waiting: dict[tuple[str | None, str], int] = {}

    def count(self, line: StepLine) -> tuple[int, int]:
        """How many mails were taken with this step, and of how many that are known.

        An account whose backlog is not known any more is left alone by a drain, so nothing of it is waited for.
        """
        self._taken += line.taken
        self._waiting[line.tenant, line.account] = line.backlog or 0
        return self._taken, self._taken + sum(self._waiting.values())
