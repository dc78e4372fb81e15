"""The operators' policy: where accounts may connect, how much TLS they need, limits, guards, permitted redirects.

It stands in a file of its own that no tenant can change; without one the built-in policy holds.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from reconciler.core.account import Version, Weight
from reconciler.core.binding import Destination, weaker
from reconciler.core.settings import Duration, Frozen, Login, Security, is_loopback

_NAME = r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
HostPattern = Annotated[
    str, StringConstraints(pattern=rf"^(\*\.)?{_NAME}$|^[0-9a-fA-F:]+$", min_length=1, max_length=255)
]
"""A host name or address, or `*.mail.example` for all hosts below mail.example (not for itself)."""

ServerAddress = Annotated[
    str, StringConstraints(pattern=rf"^({_NAME}|\[[0-9a-fA-F:]+\]):[0-9]{{1,5}}$", max_length=262)
]
AccountPattern = Annotated[
    str, StringConstraints(pattern=r"^(\*|[a-z0-9-]{1,40}/(\*|[a-z0-9-]{1,40}))$", max_length=81)
]
Percent = Annotated[int, Field(ge=0, le=100, strict=True)]
Count = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]


class TlsFloor(StrEnum):
    """The least protection a connection must have."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class HostPolicy(Frozen):
    """Where accounts may connect."""

    allow: Annotated[tuple[HostPattern, ...], Field(max_length=10_000)] | None = Field(
        None, description="Hosts, or `*.suffix`; without it any host."
    )


class TlsPolicy(Frozen):
    """How much TLS connections need; loopback needs none."""

    floor: TlsFloor = Field(TlsFloor.STARTTLS, description="`tls`, `starttls` or `none`.")
    plain: tuple[HostPattern, ...] = Field((), description="Hosts to which the floor does not apply.")


class Limits(Frozen):
    """How much a tenant may ask for."""

    accounts: Annotated[int, Field(ge=1, le=5_000, strict=True)] | None = Field(None, description="Of one tenant.")
    weight: Weight | None = Field(None, description="The largest `weight` and `send_weight`.")
    poll: Duration | None = Field(None, description="The shortest `poll`.")


class GuardPolicy(Frozen):
    """From where on a plan that retires accounts needs an acknowledgement; more than these numbers trips."""

    tenant_accounts: Count = Field(5, description="Accounts of one tenant.")
    tenant_percent: Percent = Field(25, description="Share of one tenant's accounts, from two retired on.")
    overall_accounts: Count = Field(20, description="Accounts in the whole plan.")
    overall_percent: Percent = Field(10, description="Share of all accounts, from two retired on.")


class RedirectUnlock(Frozen):
    """A permission to send the secrets of an account to another server than the one they are bound to."""

    account: AccountPattern = Field(description="`TENANT/ID`, `TENANT/*` or `*`.")
    from_: ServerAddress = Field(alias="from", description="The server the secret is bound to, `host:port`.")
    to: ServerAddress = Field(description="The server it may be sent to, `host:port`.")
    username: Login | None = Field(None, description="The login name there; without it any.")
    security: Security = Field(Security.TLS, description="The least protection there.")

    def permits(self, account: str, bound: Collection[Destination], to: Destination) -> bool:
        """Whether this line lets the secret of that account (`tenant/id`) go there."""
        tenant, _, _id = account.partition("/")
        return (
            self.account in ("*", f"{tenant}/*", account)
            and self.to.lower() == to.address
            and any(self.from_.lower() == known.address for known in bound)
            and self.username in (None, to.username)
            and not weaker(to.security, self.security)
        )


class Policy(Frozen):
    """The policy file."""

    version: Version = Field(description="The format of this file.")
    hosts: HostPolicy = Field(HostPolicy(), description="Where accounts may connect.")
    tls: TlsPolicy = Field(TlsPolicy(), description="How much TLS connections need.")
    limits: Limits = Field(Limits(), description="How much a tenant may ask for.")
    guards: GuardPolicy = Field(GuardPolicy(), description="When a plan needs an acknowledgement.")
    redirects: Annotated[tuple[RedirectUnlock, ...], Field(max_length=10_000)] = Field(
        (), description="Secrets that may be sent to another server."
    )

    def allows_host(self, host: str) -> bool:
        """Whether accounts may connect to this host."""
        return self.hosts.allow is None or _matches(host, self.hosts.allow)

    def lists_host(self, host: str) -> bool:
        """Whether the operators name this host as one that accounts may connect to."""
        return self.hosts.allow is not None and _matches(host, self.hosts.allow)

    def floor(self, host: str) -> Security:
        """The least protection that a connection to this host must have."""
        if is_loopback(host) or _matches(host, self.tls.plain):
            return Security.NONE
        return Security(self.tls.floor.value)

    def unlocks(self, account: str, bound: Collection[Destination], to: Destination) -> bool:
        """Whether the secret of this account (`tenant/id`), bound to these places, may be sent to that one."""
        return any(line.permits(account, bound, to) for line in self.redirects)

    def too_short(self, poll: timedelta) -> bool:
        """Whether an account may not rest as little as this."""
        return self.limits.poll is not None and poll < self.limits.poll


BUILT_IN = Policy(version=1)
"""What holds without a policy file: TLS or STARTTLS except on loopback, the built-in guards, no redirect."""


def _matches(host: str, patterns: Collection[str]) -> bool:
    host = host.lower().rstrip(".")
    return any(_matches_one(host, pattern.lower()) for pattern in patterns)


def _matches_one(host: str, pattern: str) -> bool:
    suffix = pattern.removeprefix("*")
    return (
        host == pattern
        if suffix == pattern
        else host.endswith(suffix) and re.fullmatch(r"[a-z0-9.-]+", host) is not None
    )
