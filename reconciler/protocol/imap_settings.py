"""What an account's `imap:` block may say; knows no mail library."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from reconciler.core.endpoint import ONE_WAY_IN, MailboxEndpoint
from reconciler.core.settings import (
    MOVE_GOES_WITH_ITS_TARGET,
    Consequence,
    Security,
    Start,
    declared,
)
from reconciler.protocol.base import ProtocolPlugin

FolderName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]


class ImapAfterFetch(StrEnum):
    """What happens on the server to a mail once it is stored here."""

    SEEN = "seen"
    MOVE = "move"
    DELETE = "delete"
    KEEP = "keep"


class ImapSettings(MailboxEndpoint):
    """An IMAP mailbox (RFC 3501, RFC 9051): how to reach it, what to read, what to do with read mails."""

    model_config = ConfigDict(json_schema_extra={"allOf": [MOVE_GOES_WITH_ITS_TARGET, ONE_WAY_IN]})

    folders: Annotated[tuple[FolderName, ...], Field(min_length=1, max_length=20)] = declared(
        Consequence.RESYNC, ("INBOX",), description="The folders to read, in this order."
    )
    after_fetch: ImapAfterFetch = declared(
        Consequence.DESTRUCTIVE,
        ImapAfterFetch.SEEN,
        description="`seen`, `move` (with `move_to`), `delete` or `keep`; later mails only.",
    )
    move_to: FolderName | None = declared(
        Consequence.RESCHEDULE, None, description="The folder for `after_fetch: move`."
    )
    expunge: Literal["exclusive"] | None = declared(
        Consequence.DESTRUCTIVE,
        None,
        description="`exclusive`: nobody else uses this mailbox, so `move` and `delete` may do without UIDPLUS.",
    )
    start: Start = declared(
        Consequence.RESYNC,
        "now",
        description="Which mails present at the start to take: `now`, `unseen`, `all` or a date.",
    )

    @model_validator(mode="after")
    def _move_to_goes_with_move(self) -> ImapSettings:
        if self.after_fetch is ImapAfterFetch.MOVE and self.move_to is None:
            raise ValueError("after_fetch: move needs move_to: the folder to move to")
        if self.after_fetch is not ImapAfterFetch.MOVE and self.move_to is not None:
            raise ValueError("move_to goes with after_fetch: move; remove it or set after_fetch: move")
        if self.move_to is not None and self.move_to in self.folders:
            raise ValueError("move_to is one of the folders that are read; name another folder")
        return self

    @property
    def effective_port(self) -> int:
        """The port to connect to: as given, else 993 for TLS and 143 otherwise."""
        return self.port or (993 if self.security is Security.TLS else 143)


def _load() -> Callable[..., Any]:
    from reconciler.protocol.imap import open_session

    return open_session


def _load_flow() -> Callable[..., Any]:
    from reconciler.protocol.imap_handover import ImapOpener

    return ImapOpener()


def _load_greeting() -> Callable[..., Any]:
    from reconciler.protocol.imap_login import greet

    return greet


IMAP = ProtocolPlugin(
    name="imap", settings=ImapSettings, load=_load, load_flow=_load_flow, load_greeting=_load_greeting
)
