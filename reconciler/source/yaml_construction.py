"""Constructs plain values from the events of ruamel's C parser, and refuses what these files may not use.

Guarding and constructing are one pass. Nothing here recurses, because the C extension's own composer kills the process
on some 20,000 nested levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.core.place import Pointer
from reconciler.source.yaml_parser import (
    AliasEvent,
    CParser,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from reconciler.source.yaml_scalar import plain_scalar

DEPTH_CAP = 40
"""The deepest nesting of maps and lists."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place of the text; line and column count from 1."""

    line: int
    column: int
    pointer: Pointer
    code: str
    message: str


class Stopped(Exception):
    """Carries the problem after which the rest of the file cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


_IGNORED = object()
"""Stands for a key that a problem was found with; its value is read and dropped."""


class Construction:
    """The containers that are open, the key that waits for its value in each of them, and the problems so far."""

    def __init__(self) -> None:
        self.root: list[Any] = []
        self.problems: list[Problem] = []
        self._stack: list[Any] = [self.root]
        self._keys: list[Any] = [None]

    def run(self, data: bytes) -> Any:
        """The plain value of the one document (None for an empty file); `problems` holds what may be read over.

        Raises Stopped, and whatever the parser raises about text that is not YAML.
        """
        next_event = CParser(data).get_event
        stack, keys = self._stack, self._keys
        is_map = False
        while (event := next_event()) is not None:
            kind = type(event)
            if kind is ScalarEvent:
                if event.anchor is not None or event.tag is not None:
                    self._refuse_extras(event)
                value: Any = plain_scalar(event.value) if event.style == "" else event.value
                if is_map and keys[-1] is None:
                    keys[-1] = self._key(value, event)
                    continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = stack.pop()
                keys.pop()
                is_map = type(stack[-1]) is dict
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._guard(event)
                is_map = kind is MappingStartEvent
                stack.append({} if is_map else [])
                keys.append(None)
                continue
            elif kind is AliasEvent:
                self._note(event, "E006", "aliases (*name) are not allowed; write the value out")
                value = None
                if is_map and keys[-1] is None:
                    keys[-1] = _IGNORED
                    continue
            else:
                if kind is DocumentStartEvent:
                    self._check_document(event)
                continue
            if not is_map:
                stack[-1].append(value)
                continue
            key, keys[-1] = keys[-1], None
            if key is not _IGNORED:
                stack[-1][key] = value
        return self.root[0] if self.root else None

    def _key(self, value: Any, event: Any) -> Any:
        if not isinstance(value, str):
            self._note(event, "E012", "keys are text; put this one in quotes if it is meant as text")
            return _IGNORED
        if value in self._stack[-1]:
            self._note(event, "E009", "this key stands twice in one map; remove one of the two")
            return _IGNORED
        return value

    def _guard(self, event: Any) -> None:
        """Refuse what may not open here: too deep a level, an anchor, a tag, a map or list as a key."""
        if len(self._stack) > DEPTH_CAP:
            message = f"nested deeper than {DEPTH_CAP} levels; nothing in these files needs that"
            raise Stopped(self._problem(event, "E005", message))
        if event.anchor is not None or event.tag is not None:
            self._refuse_extras(event)
        if self._keys[-1] is None and type(self._stack[-1]) is dict:
            raise Stopped(self._problem(event, "E012", "a map or list cannot be a key; keys are text"))

    def _refuse_extras(self, event: Any) -> None:
        if event.anchor is not None:
            self._note(event, "E006", "anchors (&name) are not allowed; remove it")
        if event.tag is not None:
            self._note(event, "E007", "tags (!name) are not allowed; write a plain value")

    def _check_document(self, event: Any) -> None:
        if self.root:
            message = "a second document starts here; a file holds one, so remove the --- or split the file"
            raise Stopped(self._problem(event, "E010", message))
        if event.version is not None or event.tags:
            self._note(event, "E008", "directives (%YAML, %TAG) are not allowed; remove the line")

    def _note(self, event: Any, code: str, message: str) -> None:
        self.problems.append(self._problem(event, code, message))

    def _problem(self, event: Any, code: str, message: str) -> Problem:
        pointer: list[str | int] = []
        for container, key in zip(self._stack[1:], self._keys[1:], strict=True):
            step = len(container) if type(container) is list else key
            if not isinstance(step, str | int):
                break
            pointer.append(step)
        return Problem(event.start_mark.line + 1, event.start_mark.column + 1, tuple(pointer), code, message)
