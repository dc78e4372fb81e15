"""What trying out an account's servers found: values, and what follows for the account's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.health import Condition


@dataclass(frozen=True, slots=True)
class FetchProbe:
    """The mailbox. `waiting`: mails a fetch would still take, by folder ("" where the protocol has no folders)."""

    protocol: str
    condition: Condition
    reason: str
    capabilities: frozenset[str]
    waiting: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SendProbe:
    """The submission server, that of account `via`. `size`: bytes a mail may have, None if it names no limit."""

    via: str
    condition: Condition
    reason: str
    tls: bool
    auth: tuple[str, ...]
    size: int | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A server that the files name, as it was found.

    `account` is `tenant/id`, `block` the settings block, `address` host and port. `logged_in` and `waiting` (mails by
    folder) are of a login, which is tried only where the secret may go; `capabilities` are those before or after it.
    """

    account: str
    block: str
    address: str
    condition: Condition
    reason: str = ""
    capabilities: tuple[str, ...] = ()
    logged_in: bool = False
    waiting: Mapping[str, int] = field(default_factory=dict)


class Arrival(StrEnum):
    """What became of a test mail."""

    ARRIVED = "arrived"
    BOUNCED = "bounced"
    REFUSED = "refused"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class MailProbe:
    """A test mail to one address. `seconds` until it was seen; None if it was not."""

    address: str
    arrival: Arrival
    seconds: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found. `send` None: the account cannot send; `plain`, `subaddress` None: no test mail was sent."""

    account: str
    fetch: FetchProbe
    send: SendProbe | None
    plain: MailProbe | None = None
    subaddress: MailProbe | None = None
    delimiter: str | None = None

    @property
    def subaddressing(self) -> str | None:
        """What `subaddressing` may be set to: the delimiter, or off; None if it was not tried or nothing arrived."""
        if self.subaddress is None:
            return None
        if self.subaddress.arrival is Arrival.ARRIVED:
            return self.delimiter
        return "off" if self.plain is not None and self.plain.arrival is Arrival.ARRIVED else None

    @property
    def well(self) -> bool:
        """True if both servers serve and every test mail arrived."""
        servers = [p.condition for p in (self.fetch, self.send) if p is not None]
        mails = [p.arrival for p in (self.plain, self.subaddress) if p is not None]
        return all(c is Condition.OK for c in servers) and all(a is Arrival.ARRIVED for a in mails)
