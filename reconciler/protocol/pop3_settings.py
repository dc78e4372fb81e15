"""What an account's `pop3:` block may say; knows no mail library."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal

from reconciler.core.endpoint import MailboxEndpoint
from reconciler.core.settings import Consequence, Security, declared
from reconciler.protocol.base import ProtocolPlugin


class Pop3AfterFetch(StrEnum):
    """What happens on the server to a mail once it is stored here."""

    KEEP = "keep"
    DELETE = "delete"


class Pop3Settings(MailboxEndpoint):
    """A POP3 mailbox (RFC 1939) whose server names mails by UIDL: how to reach it, what to do with read mails."""

    after_fetch: Pop3AfterFetch = declared(
        Consequence.DESTRUCTIVE, Pop3AfterFetch.KEEP, description="`keep` or `delete`; later mails only."
    )
    start: Literal["now", "all"] = declared(
        Consequence.RESYNC,
        "now",
        description="Which mails present at the first contact to take: none (`now`) or `all`; POP3 tells no dates.",
    )

    @property
    def effective_port(self) -> int:
        """The port to connect to: as given, else 995 for TLS and 110 otherwise."""
        return self.port or (995 if self.security is Security.TLS else 110)


def _load() -> Callable[..., Any]:
    from reconciler.protocol.pop3 import open_session

    return open_session


def _load_greeting() -> Callable[..., Any]:
    from reconciler.protocol.pop3_login import greet

    return greet


POP3 = ProtocolPlugin(name="pop3", settings=Pop3Settings, load=_load, load_greeting=_load_greeting)
