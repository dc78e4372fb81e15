"""Places in files: pointers, lines and columns of what a unit's documents say; reads no file itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.core.account import Account
from reconciler.core.finding import Finding
from reconciler.core.revision import Origin

Pointer = tuple[str | int, ...]


class Source(Protocol):
    """One file as it was read: plain values, and where each of them stands."""

    @property
    def file(self) -> str:
        """The file's name, relative to the accounts folder."""
        ...

    @property
    def data(self) -> Any:
        """The plain values: maps, lists, text, numbers, booleans and None."""
        ...

    def locate(self, pointer: Pointer, *, key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of a value, or of its key; of the nearest map or list above if it is not there."""
        ...


def pointer_text(pointer: Pointer) -> str:
    """The RFC 6901 text of a pointer; the empty text for the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in pointer)


def existing(data: Any, pointer: Pointer) -> Pointer:
    """The longest beginning of `pointer` that leads to something in `data`."""
    for depth, part in enumerate(pointer):
        in_map = isinstance(data, dict) and part in data
        in_list = isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data)
        if not in_map and not in_list:
            return pointer[:depth]
        data = data[part]
    return pointer


def value_at(data: Any, pointer: Pointer) -> Any:
    """What stands at `pointer`, or None if nothing does."""
    found = existing(data, pointer)
    if found != pointer:
        return None
    for part in pointer:
        data = data[part]
    return data


def finding_at(source: Source, unit: str, pointer: Pointer, code: str, message: str, *, key: bool = False) -> Finding:
    """A finding at a value, or at its key; the pointer is cut to what exists in the file."""
    found = existing(source.data, pointer)
    line, column = source.locate(found, key=key and found == pointer)
    return Finding(source.file, line, column, pointer_text(found), code, message, unit)


@dataclass(frozen=True, slots=True)
class PlacedAccount:
    """An account with the file and the position in that file's `accounts` where it stands."""

    unit: str
    account: Account
    source: Source
    index: int

    @property
    def label(self) -> str:
        """`tenant/id`, as people and commands write it."""
        return f"{self.unit}/{self.account.id}"

    @property
    def pointer(self) -> Pointer:
        """The account's place in its file."""
        return ("accounts", self.index)

    @property
    def origin(self) -> Origin:
        """File, line and column of the account."""
        return Origin(self.source.file, *self.source.locate(self.pointer))

    def finding(self, code: str, message: str, *path: str | int, key: bool = False) -> Finding:
        """A finding about this account, at the key that `path` leads to."""
        return finding_at(self.source, self.unit, (*self.pointer, *path), code, message, key=key)


class AccountOrigins(Mapping[str, Origin]):
    """Id → place of a unit's accounts; a place is looked up only when it is asked for."""

    def __init__(self, accounts: Sequence[PlacedAccount]) -> None:
        self._accounts = {placed.account.id: placed for placed in accounts}

    def __getitem__(self, account_id: str) -> Origin:
        return self._accounts[account_id].origin

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    def __len__(self) -> int:
        return len(self._accounts)


@dataclass(frozen=True, slots=True)
class UnitPlaces:
    """Where the keys of a unit's document stand: `accounts/ID/imap/host`, `routing/RULE/then`, `language`."""

    head: Source
    accounts: tuple[PlacedAccount, ...]

    def __call__(self, path: str) -> Origin:
        """The place of a key; of the nearest thing above it if the file does not spell it out."""
        parts = path.split("/")
        if parts[0] == "accounts" and len(parts) > 1:
            placed = next((a for a in self.accounts if a.account.id == parts[1]), None)
            if placed is not None:
                return _origin(placed.source, placed.pointer, parts[2:])
        return _origin(self.head, (), parts)


def _origin(source: Source, start: Pointer, parts: Sequence[str]) -> Origin:
    pointer = start
    data = value_at(source.data, start)
    for part in parts:
        step = _step(data, part)
        if step is None:
            break
        pointer, data = (*pointer, step), data[step]
    return Origin(source.file, *source.locate(pointer))


def _step(data: Any, part: str) -> str | int | None:
    """The key or position that `part` means: lists are entered by position, or by the id of their items."""
    if isinstance(data, dict):
        return part if part in data else None
    if not isinstance(data, list):
        return None
    if part.isdecimal() and int(part) < len(data):
        return int(part)
    return next((i for i, item in enumerate(data) if isinstance(item, dict) and item.get("id") == part), None)
