"""Which requests for a step at once wait, are carried by a step, or are answered; no clock and no thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set


class Requests:
    """The requests of accounts by account key, as somebody reads again and again which are open.

    A step answers what was known when it began. What it answered may be read as open once more, until that is written
    down: it gets no second step. Saying the same again changes nothing.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, set[int]] = {}
        self._carried: dict[int, set[int]] = {}
        self._answered: set[int] = set()

    def said(self, opened: Mapping[int, Set[int]]) -> Set[int]:
        """These requests, and no others, are open; the accounts that are to have a step because of them."""
        self._answered &= set().union(*opened.values())
        self._waiting = {}
        for key, ids in opened.items():
            if left := ids - self._answered - self._carried.get(key, set()):
                self._waiting[key] = set(left)
        return self._waiting.keys()

    def waits(self, key: int) -> bool:
        """Whether the account is to have a step that has not begun."""
        return key in self._waiting

    def begun(self, key: int) -> None:
        """A step of the account begins: it is the one that was asked for."""
        if (ids := self._waiting.pop(key, None)) is not None:
            self._carried[key] = ids

    def ended(self, key: int) -> frozenset[int]:
        """The account's step has ended; the requests it answers."""
        ids = self._carried.pop(key, set())
        self._answered |= ids
        return frozenset(ids)

    def not_told(self, ids: Iterable[int]) -> None:
        """The answers to these could not be written down: they are open as before."""
        self._answered.difference_update(ids)
