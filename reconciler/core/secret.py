"""Secrets as values that cannot be printed, and the references that stand for them in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
TOKEN_KEYS = "token-keys"
"""The secret of the main accounts' namespace that signs tokens; never a password."""

Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN, max_length=40)]


class Secret:
    """A resolved secret. `reveal()` is the only way to its text; str, repr, pickle and comparison show nothing."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, to be handed to a server and to nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never serialised")


class SecretRef(BaseModel):
    """`{secret: NAME}`: the name of a secret inside the tenant's own namespace, never a path and never a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secret: Slug


def secret_names(value: object) -> Iterator[str]:
    """The name of every secret that a model refers to, as often as it does."""
    if isinstance(value, SecretRef):
        yield value.secret
    elif isinstance(value, BaseModel):
        for _, below in value:
            yield from secret_names(below)
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from secret_names(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from secret_names(below)
