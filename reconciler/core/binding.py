"""Where secrets are sent: the server and login name each is bound to, and the changes that would send it elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from reconciler.core.account import Account
from reconciler.core.secret import SecretRef
from reconciler.core.settings import PLAIN, Security

_STRENGTH = (Security.NONE, Security.STARTTLS, Security.TLS)


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """What a secret is sent to: a server (lower-case host, port) as a login name, and how the way there is protected.

    `trust` stands for own authorities and pins: a digest of them, empty for the system's authorities. Settings of a
    plug-in that name no host stand as one text in `host`, with port 0.
    """

    host: str
    port: int
    username: str
    security: Security = Security.TLS
    min_tls: str = "1.2"
    trust: str = ""

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def login(self) -> tuple[str, int, str]:
        """Host, port and login name: what a secret is bound to."""
        return self.host, self.port, self.username

    def protects_less_than(self, other: Destination) -> bool:
        """Whether the way there is less protected: weaker TLS, or other certificates that are trusted.

        Who may choose the authority or the pinned key may also choose one that an eavesdropper has.
        """
        return weaker(self.security, other.security) or self.min_tls < other.min_tls or self.trust != other.trust

    def __str__(self) -> str:
        how = self.security.value if self.min_tls == "1.2" else f"{self.security.value} {self.min_tls}"
        trusted = f", own trust {self.trust}" if self.trust else ""
        return f"{self.address} ({how}{trusted}) as {self.username or 'nobody in particular'}"


@dataclass(frozen=True, slots=True)
class Use:
    """One secret of an account, the dotted path of its reference, and where it is sent."""

    path: str
    secret: str
    to: Destination

    @property
    def block(self) -> str:
        """The settings block that the reference stands in."""
        return self.path.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Redirect:
    """A secret that a change would send to another place than those it is bound to, or there with less TLS.

    `unlocked`: the operators' policy lets it pass; nothing else does.
    """

    secret: str
    block: str
    bound: tuple[Destination, ...]
    to: Destination
    unlocked: bool = False

    def sentence(self, account: str) -> str:
        """What the account (`tenant/id`) would do, and what alone lets it, in words."""
        known = ", ".join(map(str, self.bound))
        return (
            f"{account} would send the secret {self.secret}, which is bound to {known}, to {self.to}; no "
            f"acknowledgement lets that pass, only a line of redirects: in the operators' policy (account: {account}, "
            f"from: {self.bound[0].address}, to: {self.to.address})"
        )


def uses(account: Account) -> Iterator[Use]:
    """Every secret that the account refers to."""
    for name, value in account:
        if not isinstance(value, PLAIN) and isinstance(value, BaseModel):
            yield from _uses(value, name, ())


def goes_elsewhere(to: Destination, bound: Collection[Destination]) -> bool:
    """True if a secret that is bound (to at least one place) would be sent to none of them, or with less TLS."""
    same = [known for known in bound if known.login == to.login]
    if not same:
        return bool(bound)
    return all(to.protects_less_than(known) for known in same)


def may_log_in(
    used: Collection[Use], bound_of: Callable[[str], Collection[Destination]], lists: Callable[[str], bool]
) -> bool:
    """Whether a login may be tried before its change is applied: every secret goes where it may already.

    `bound_of` gives the places a secret is bound to; one that is bound to none goes to hosts that the operators'
    policy lists (`lists`) and nowhere else, for the change may be anybody's.
    """

    def may(use: Use) -> bool:
        bound = bound_of(use.secret)
        return not goes_elsewhere(use.to, bound) if bound else lists(use.to.host)

    return bool(used) and all(may(use) for use in used)


def weaker(security: Security, than: Security) -> bool:
    """Whether a connection protected like this is less protected than that: TLS, then STARTTLS, then none."""
    return _STRENGTH.index(security) < _STRENGTH.index(than)


def _uses(model: BaseModel, path: str, around: tuple[Destination, ...]) -> Iterator[Use]:
    # What an issuer gives for a secret is sent on to the mail server around it, so that the secret is bound to both.
    own = (destination(model, path),) if not around or hasattr(model, "host") else ()
    here = (*own, *around)
    for key, value in model:
        if isinstance(value, PLAIN):
            continue
        yield from _uses_below(value, f"{path}.{key}", here)


def _uses_below(value: Any, path: str, here: tuple[Destination, ...]) -> Iterator[Use]:
    if isinstance(value, SecretRef):
        yield from (Use(path, value.secret, to) for to in here)
    elif isinstance(value, BaseModel):
        yield from _uses(value, path, here)
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from _uses_below(below, f"{path}.{key}", here)
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from _uses_below(below, f"{path}.{index}", here)


def destination(model: BaseModel, path: str) -> Destination:
    """Where the secrets of a settings block go; `path` is the block's, and stands for a host where it names none."""
    host = getattr(model, "host", None)
    if not isinstance(host, str):
        return Destination(f"{path}: {_plain_settings(model)}", 0, "")
    port = getattr(model, "effective_port", None) or getattr(model, "port", None)
    security = getattr(model, "security", Security.TLS)
    return Destination(
        host.lower(),
        port if isinstance(port, int) else 0,
        str(getattr(model, "username", None) or ""),
        security if isinstance(security, Security) else Security.TLS,
        str(getattr(model, "min_tls", "1.2")),
        _trust(getattr(model, "ca", None), getattr(model, "pin", ())),
    )


def _trust(authorities: object, pins: object) -> str:
    if not authorities and not pins:
        return ""
    return hashlib.sha256(repr((authorities, pins)).encode()).hexdigest()[:16]


def _plain_settings(model: BaseModel) -> str:
    """Whatever else the block says: of settings this program does not know any may say where the secret goes."""
    data = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return ", ".join(f"{key}={value}" for key, value in sorted(data.items()) if not _is_reference(value))


def _is_reference(value: object) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"secret"}
