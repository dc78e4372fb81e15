"""Says where every key and value of a readable YAML text stands; builds no values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from reconciler.core.place import Pointer
from reconciler.source.yaml_parser import (
    CParser,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)


@lru_cache(maxsize=16)
def places(data: bytes) -> tuple[dict[Pointer, tuple[int, int]], dict[Pointer, tuple[int, int]]]:
    """Where every value and every key of a readable text stands; the last few files' places are kept."""
    values: dict[Pointer, tuple[int, int]] = {}
    keys: dict[Pointer, tuple[int, int]] = {}
    for pointer, event, is_key in _walk(data):
        place = event.start_mark.line + 1, event.start_mark.column + 1
        (keys if is_key else values).setdefault(pointer, place)
    return values, keys


def _walk(data: bytes) -> Iterator[tuple[Pointer, Any, bool]]:
    """The events that begin a key or a value, with its pointer."""
    parser = CParser(data)
    frames: list[list[Any]] = []
    while (event := parser.get_event()) is not None:
        kind = type(event)
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            frames.pop()
            continue
        if kind not in (ScalarEvent, MappingStartEvent, SequenceStartEvent):
            continue
        if frames and frames[-1][1] and frames[-1][2] is None:
            frames[-1][2] = event.value
            yield (*frames[-1][0], event.value), event, True
            continue
        pointer = _next_pointer(frames[-1]) if frames else ()
        yield pointer, event, False
        if kind is not ScalarEvent:
            frames.append([pointer, kind is MappingStartEvent, None, 0])


def _next_pointer(frame: list[Any]) -> Pointer:
    """The pointer of the next value in a frame [pointer, is a map, pending key, position], which moves on."""
    base, is_map, key, position = frame
    if is_map:
        frame[2] = None
        return (*base, key)
    frame[3] = position + 1
    return (*base, position)
