"""Reads one YAML file into plain values with positions and findings; knows nothing of what the keys mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.finding import Finding
from reconciler.core.place import Pointer, existing, pointer_text
from reconciler.source.yaml_construction import Construction, Problem, Stopped
from reconciler.source.yaml_places import places

SIZE_CAP = 256 * 1024
"""The largest file that is read, in bytes."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HARMLESS = frozenset({"E008", "E009"})
_CONFLICT_MARKER = re.compile(rb"^(?:\xef\xbb\xbf)?(?:<{7}|\|{7}|>{7})(?: |\r?$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """One file as read: plain values (None if `usable` is False), its problems, and on demand where a value stands."""

    file: str
    data: Any
    findings: tuple[Finding, ...] = ()
    usable: bool = True
    text: bytes = field(default=b"", repr=False)

    def locate(self, pointer: Pointer, *, key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of a value, or of its key; of the nearest thing above it if it is not there."""
        if not self.usable:
            return 1, 1
        values, keys = places(self.text)
        found = existing(self.data, pointer)
        if key and found == pointer and found in keys:
            return keys[found]
        return values.get(found, (1, 1))


def read_yaml(data: bytes, file: str, unit: str = "") -> Document:
    """Read one file's bytes; whatever is wrong becomes a finding, nothing is raised."""
    construction = Construction()
    problems = construction.problems
    value: Any = None
    try:
        _check_text(data)
        value = construction.run(data)
        if not isinstance(value, dict) and not problems:
            raise Stopped(Problem(1, 1, (), "E011", "the file must hold a map of keys: version, tenant, accounts"))
    except Stopped as stop:
        problems.append(stop.problem)
    except Exception as error:
        # The parser is C code fed with anything at all: whatever it raises is about this file, never about the program.
        problems.append(_syntax_problem(data, error))
    usable = isinstance(value, dict) and all(p.code in _HARMLESS for p in problems)
    findings = tuple(
        Finding(file, p.line, p.column, pointer_text(p.pointer), p.code, p.message, unit) for p in problems
    )
    return Document(file, value if usable else None, findings, usable, data if usable else b"")


def _check_text(data: bytes) -> None:
    if len(data) > SIZE_CAP:
        raise Stopped(Problem(1, 1, (), "E002", too_large(len(data))))
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(data, error.start)
        message = "this is not UTF-8 text; save the file with the encoding UTF-8"
        raise Stopped(Problem(line, column, (), "E003", message)) from error
    # Looked for first: inside braces YAML takes a marker for a part of a key, and elsewhere complains a line later.
    marker = _CONFLICT_MARKER.search(data)
    if marker is not None:
        line, column = _line_and_column(data, marker.start())
        message = "a marker of an unresolved merge conflict; keep one of the two sides and remove the markers"
        raise Stopped(Problem(line, column, (), "E004", message))


def too_large(size: int) -> str:
    """The sentence about a file of `size` bytes that is over the cap."""
    return f"the file has {size} bytes, at most {SIZE_CAP} are read; spread its accounts over a folder of the tenant"


def _line_and_column(data: bytes, offset: int) -> tuple[int, int]:
    start = data.rfind(b"\n", 0, offset) + 1
    before = data[start:offset].removeprefix(_BYTE_ORDER_MARK if start == 0 else b"")
    return data.count(b"\n", 0, offset) + 1, len(before.decode("utf-8", "replace")) + 1


def _syntax_problem(data: bytes, error: Exception) -> Problem:
    """The parser's complaint, at its place, in words that never repeat what the file says."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    else:
        line, column = _line_and_column(data, getattr(error, "position", 0))
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n").split("\n")
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    here = lines[line - 1]
    if here.startswith("%"):
        return Problem(line, 1, (), "E008", "directives (%YAML, %TAG) are not allowed; remove the line")
    if here[column - 1 : column] == "\t" or "\t" in here[: len(here) - len(here.lstrip())]:
        return Problem(line, column, (), "E004", "a tab stands where YAML wants spaces; indent with spaces")
    reason = getattr(error, "problem", None) or getattr(error, "reason", None)
    context = getattr(error, "context", None)
    words = ", ".join(str(w) for w in (context, reason) if w) or f"the reader failed ({type(error).__name__})"
    return Problem(line, column, (), "E004", f"not YAML: {words}")
