"""How an account logs in by OAuth 2.0 access token: its settings, and the words that carry a token; asks no server."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict, StringConstraints, model_validator

from reconciler.core.secret import SecretRef
from reconciler.core.settings import Consequence, Frozen, Security, declared, has

_ENDPOINT = r"^(https://[^\s/?#@]+|http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?)(/[^\s#]*)?$"


class Mechanism(StrEnum):
    """How a token is shown to a mail server: Google's and Microsoft's XOAUTH2, or OAUTHBEARER (RFC 7628)."""

    XOAUTH2 = "xoauth2"
    OAUTHBEARER = "oauthbearer"


class OAuthSettings(Frozen):
    """Where access tokens come from (RFC 6749): by refresh token if there is one, else by client credentials."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [has("client_secret", "object"), has("refresh_token", "object")]}
    )

    token_endpoint: Annotated[str, StringConstraints(max_length=500, pattern=_ENDPOINT)] = declared(
        Consequence.REDIRECT, description="The issuer's token endpoint, `https://…`."
    )
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[\x21-\x7e]+$")] = declared(
        Consequence.REAUTHENTICATE, description="The application's id at the issuer."
    )
    client_secret: SecretRef | None = declared(
        Consequence.REAUTHENTICATE, None, description="`{secret: NAME}`; needed without `refresh_token`."
    )
    refresh_token: SecretRef | None = declared(
        Consequence.REAUTHENTICATE, None, description="`{secret: NAME}`; without it the application logs in as itself."
    )
    scope: Annotated[str, StringConstraints(max_length=1000, pattern=r"^[\x21-\x7e]+( [\x21-\x7e]+)*$")] | None = (
        declared(Consequence.REAUTHENTICATE, None, description="What the token is for, as the issuer writes it.")
    )
    mechanism: Mechanism | None = declared(
        Consequence.REAUTHENTICATE, None, description="Without it what the server offers, `oauthbearer` first."
    )

    @model_validator(mode="after")
    def _complete(self) -> OAuthSettings:
        if self.client_secret is None and self.refresh_token is None:
            raise ValueError("give client_secret, refresh_token or both")
        return self

    # What this block's secrets are sent to, as the settings of a mail server tell it.

    @property
    def host(self) -> str:
        """The issuer's host."""
        return urlsplit(self.token_endpoint).hostname or ""

    @property
    def effective_port(self) -> int:
        """The issuer's port."""
        address = urlsplit(self.token_endpoint)
        return address.port or (443 if address.scheme == "https" else 80)

    @property
    def username(self) -> str:
        """As whom the application shows itself there."""
        return self.client_id

    @property
    def security(self) -> Security:
        """TLS, but on loopback."""
        return Security.TLS if self.token_endpoint.startswith("https:") else Security.NONE


def chosen_mechanism(wanted: Mechanism | None, offered: Collection[str]) -> Mechanism | None:
    """The mechanism to use of those a server offers (in capitals); None if it offers none that will do."""
    fitting = (Mechanism.OAUTHBEARER, Mechanism.XOAUTH2) if wanted is None else (wanted,)
    return next((one for one in fitting if one.value.upper() in offered), None)


def initial_response(mechanism: Mechanism, username: str, token: str, host: str, port: int) -> bytes:
    """What the client says first: XOAUTH2 as Google documents it, OAUTHBEARER by RFC 7628 3.1."""
    if mechanism is Mechanism.XOAUTH2:
        return f"user={username}\x01auth=Bearer {token}\x01\x01".encode()
    name = username.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()


def answer_to_refusal(mechanism: Mechanism) -> bytes:
    """What ends the exchange once the server has told why it refuses (RFC 7628 3.2.3)."""
    return b"" if mechanism is Mechanism.XOAUTH2 else b"\x01"


def no_mechanism(where: str, wanted: Mechanism | None) -> str:
    """What to tell where the server offers none that will do."""
    name = wanted.value.upper() if wanted is not None else "OAUTHBEARER or XOAUTH2"
    return f"{where} offers no {name}; use a password instead of oauth, or correct mechanism"
