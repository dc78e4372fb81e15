"""A unit as it was read, before the rules across accounts have judged it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from reconciler.core.account import Document
from reconciler.core.finding import Finding
from reconciler.core.place import PlacedAccount, Source, finding_at


@dataclass(frozen=True)
class Draft:
    """A unit's readable accounts, and its whole document; `document` is None if a part of it could not be read.

    `head` is the unit's file, or its folder's tenant.yaml (the first file if that is missing).
    """

    unit: str
    head: Source
    accounts: tuple[PlacedAccount, ...]
    document: Document | None

    @cached_property
    def by_id(self) -> Mapping[str, PlacedAccount]:
        """Id → account; of two with one id the first."""
        return {placed.account.id: placed for placed in reversed(self.accounts)}

    def finding(self, code: str, message: str, *path: str | int, key: bool = False) -> Finding:
        """A finding about the unit, at the key of its head file that `path` leads to; without a path at 1:1."""
        if not path:
            return Finding(self.head.file, 1, 1, "", code, message, self.unit)
        return finding_at(self.head, self.unit, path, code, message, key=key)
