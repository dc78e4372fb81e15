"""ruamel's C parser and its events; there is no falling back to the pure Python parser, which is ten times slower."""

from __future__ import annotations

from reconciler.core.errors import NotSetUp

try:
    from _ruamel_yaml import (  # type: ignore[import-not-found]
        AliasEvent,
        CParser,
        DocumentStartEvent,
        MappingEndEvent,
        MappingStartEvent,
        ScalarEvent,
        SequenceEndEvent,
        SequenceStartEvent,
    )
except ImportError as error:
    raise NotSetUp(
        "the C parser of YAML files is missing: install the package ruamel.yaml.clib, for example by installing "
        "mail-account-reconciler anew"
    ) from error

__all__ = [
    "AliasEvent",
    "CParser",
    "DocumentStartEvent",
    "MappingEndEvent",
    "MappingStartEvent",
    "ScalarEvent",
    "SequenceEndEvent",
    "SequenceStartEvent",
]
