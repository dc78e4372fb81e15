"""Settings of connections to mail servers: where they are, how the way there is protected, and as whom one logs in."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from reconciler.core.oauth import OAuthSettings
from reconciler.core.secret import SecretRef
from reconciler.core.settings import Consequence, Frozen, Host, Login, Port, Security, declared, has

_PEM = re.compile(r"\s*(?:-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+")
_PIN = re.compile(r"sha256/[A-Za-z0-9+/]{43}=|(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")


def _version(value: object) -> object:
    """YAML reads 1.3 without quotes as a number."""
    return str(value) if isinstance(value, float) else value


def _certificates(text: str) -> str:
    if _PEM.fullmatch(text) is None:
        raise ValueError("ca: write certificates in PEM, from -----BEGIN CERTIFICATE----- on, and nothing else")
    return text


def _pin(text: str) -> str:
    if _PIN.fullmatch(text) is None:
        raise ValueError("pin: write sha256/ and the key's SHA-256 in Base64, or the certificate's SHA-256 in hex")
    return text


_VERSIONS = WithJsonSchema({"enum": ["1.2", "1.3", 1.2, 1.3]})
MinimumTls = Annotated[Literal["1.2", "1.3"], BeforeValidator(_version), _VERSIONS]
_PEM_SHOWN = WithJsonSchema({"type": "string", "maxLength": 65536, "pattern": f"^{_PEM.pattern}$"})
Certificates = Annotated[str, StringConstraints(max_length=65536), AfterValidator(_certificates), _PEM_SHOWN]
Pin = Annotated[str, AfterValidator(_pin), WithJsonSchema({"type": "string", "pattern": f"^({_PIN.pattern})$"})]


_WAYS_IN: list[Any] = [has("password", "object"), has("oauth", "object")]
ONE_WAY_IN: dict[str, Any] = {"oneOf": _WAYS_IN}
"""The JSON schema of `password` and `oauth`, of which a mailbox has one."""


class Endpoint(Frozen):
    """Where and as whom a server is reached; IMAP, POP3 and SMTP settings build on it."""

    host: Host = declared(Consequence.REDIRECT, description="The server's name or address.")
    port: Port | None = declared(
        Consequence.REDIRECT, None, description="Default: the protocol's own port for `security`."
    )
    security: Security = declared(
        Consequence.REDIRECT, Security.TLS, description="`tls`, `starttls`, or `none` (loopback only)."
    )
    min_tls: MinimumTls = declared(
        Consequence.REDIRECT, "1.2", description="The lowest version of TLS to talk: `1.2` or `1.3`."
    )
    ca: Certificates | None = declared(
        Consequence.REDIRECT,
        None,
        description="Certificates of the authorities to trust instead of the system's, in PEM.",
    )
    pin: Annotated[tuple[Pin, ...], Field(max_length=10)] = declared(
        Consequence.REDIRECT, (), description="Keys or certificates of which the server must show one."
    )


class MailboxEndpoint(Endpoint):
    """An endpoint one logs in to in order to read a mailbox."""

    model_config = ConfigDict(json_schema_extra={"allOf": [ONE_WAY_IN]})

    username: Login = declared(Consequence.RESYNC, description="The mailbox's login name.")
    password: SecretRef | None = declared(
        Consequence.REAUTHENTICATE, None, description="`{secret: NAME}`, never the password itself."
    )
    oauth: OAuthSettings | None = declared(
        Consequence.REAUTHENTICATE, None, description="Log in by access token instead of a password."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.password is None) == (self.oauth is None):
            raise ValueError("give password: {secret: NAME} or oauth:, one of the two")
        return self


class SmtpSettings(Endpoint):
    """The submission server an account sends through (RFC 6409). Login name and password, or `oauth`, go together."""

    model_config = ConfigDict(
        json_schema_extra={"if": has("username", "string"), "then": ONE_WAY_IN, "else": {"not": {"anyOf": _WAYS_IN}}}
    )

    username: Login | None = declared(
        Consequence.REAUTHENTICATE, None, description="Login name, if the server asks for one."
    )
    password: SecretRef | None = declared(Consequence.REAUTHENTICATE, None, description="`{secret: NAME}`.")
    oauth: OAuthSettings | None = declared(
        Consequence.REAUTHENTICATE, None, description="Log in by access token instead of a password."
    )
    per_minute: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = declared(
        Consequence.RESCHEDULE, None, description="Mails a minute at most; without it there is no limit."
    )

    @property
    def effective_port(self) -> int:
        """The port to connect to: as given, else 465 (TLS), 587 (STARTTLS) or 25."""
        return self.port or {Security.TLS: 465, Security.STARTTLS: 587, Security.NONE: 25}[self.security]
