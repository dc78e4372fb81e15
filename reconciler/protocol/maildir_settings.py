"""What an account's `maildir:` block may say; opens no folder."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, StringConstraints, WithJsonSchema, model_validator

from reconciler.core.settings import MOVE_GOES_WITH_ITS_TARGET, Consequence, Frozen, Start, declared
from reconciler.protocol.base import ProtocolPlugin

_PATTERN = r"^(/[^/\x00-\x1f\x7f]+)+$"


def _plain(path: str) -> str:
    """One way to write a path, so that two accounts on one Maildir are found out."""
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError("write the path without . and ..")
    return path


FolderPath = Annotated[
    str,
    StringConstraints(pattern=_PATTERN, max_length=1024),
    AfterValidator(_plain),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "maxLength": 1024}),
]


class MaildirAfterFetch(StrEnum):
    """What happens to a mail's file once the mail is stored."""

    SEEN = "seen"
    MOVE = "move"
    DELETE = "delete"
    KEEP = "keep"


class MaildirSettings(Frozen):
    """A Maildir on this machine, for instance one that a mail server delivers into."""

    model_config = ConfigDict(json_schema_extra={"allOf": [MOVE_GOES_WITH_ITS_TARGET]})

    path: FolderPath = declared(
        Consequence.RESYNC, description="The Maildir, which holds new, cur and tmp; absolute, without . and .. in it."
    )
    after_fetch: MaildirAfterFetch = declared(
        Consequence.DESTRUCTIVE,
        MaildirAfterFetch.SEEN,
        description="`seen`, `move` (with `move_to`), `delete` or `keep`; later mails only.",
    )
    move_to: FolderPath | None = declared(
        Consequence.RESCHEDULE, None, description="The Maildir for `after_fetch: move`, on the same file system."
    )
    start: Start = declared(
        Consequence.RESYNC,
        "now",
        description="Which mails present at the start to take: `now`, `unseen`, `all` or a date.",
    )

    @model_validator(mode="after")
    def _move_to_goes_with_move(self) -> MaildirSettings:
        if self.after_fetch is MaildirAfterFetch.MOVE and self.move_to is None:
            raise ValueError("after_fetch: move needs move_to: the Maildir to move to")
        if self.after_fetch is not MaildirAfterFetch.MOVE and self.move_to is not None:
            raise ValueError("move_to goes with after_fetch: move; remove it or set after_fetch: move")
        if self.move_to == self.path:
            raise ValueError("move_to is the Maildir that is read; name another one")
        return self


def _load() -> Callable[..., Any]:
    from reconciler.protocol.maildir import open_session

    return open_session


MAILDIR = ProtocolPlugin(name="maildir", settings=MaildirSettings, load=_load)
