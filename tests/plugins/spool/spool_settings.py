"""What an account's `spool:` block may say, and what the plug-in registers; a fax gateway writes into the folder."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from reconciler.core.settings import Consequence, Frozen, declared
from reconciler.protocol.base import ProtocolPlugin


class SpoolAfterFetch(StrEnum):
    """What happens to a file once its mail is stored."""

    KEEP = "keep"
    DELETE = "delete"


class SpoolSettings(Frozen):
    """A folder of .eml files."""

    path: Annotated[str, StringConstraints(pattern=r"^/.+$")] = declared(Consequence.RESYNC, description="The folder.")
    after_fetch: SpoolAfterFetch = declared(
        Consequence.DESTRUCTIVE, SpoolAfterFetch.KEEP, description="`keep` or `delete`."
    )
    start: Literal["now", "all"] = declared(Consequence.RESYNC, "now", description="`now` or `all`.")


class FaxLine(Frozen):
    """The key `fax` of an account's `settings:`."""

    line: Annotated[str, StringConstraints(pattern=r"^\+[0-9]{6,15}$")] = Field(description="The line's number.")


def _load() -> Callable[..., Any]:
    from spool_session import open_session

    return open_session


SPOOL = ProtocolPlugin(
    name="spool",
    settings=SpoolSettings,
    load=_load,
    channels=frozenset({"fax"}),
    settings_models={"fax": FaxLine},
)
