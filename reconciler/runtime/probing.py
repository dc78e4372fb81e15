"""Tries the servers that account files name, before anything of them is applied; changes nothing there.

Without a login any server may be tried, also for a file that a stranger wrote. A login is tried only where the secret
may go already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.account import Account
from reconciler.core.binding import Destination, Use, destination, may_log_in, uses
from reconciler.core.endpoint import SmtpSettings
from reconciler.core.errors import ReconcilerError
from reconciler.core.finding import Finding
from reconciler.core.health import Condition, condition_of
from reconciler.core.policy import Policy
from reconciler.core.probe import Tried
from reconciler.core.revision import Bindings, DesiredState, Slice
from reconciler.protocol.base import Limits, ProtocolPlugin
from reconciler.protocol.smtp import greet, open_connection
from reconciler.runtime.access import Access
from reconciler.runtime.fleet import read_only

_AT_ONCE = 16
_LIMITS = Limits(connect=10.0, command=20.0)

Greet = Callable[[Any, Limits], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Named:
    """A server that an account names in one of its blocks, and the secrets that go there."""

    slice: Slice
    account: Account
    block: str
    settings: Any
    greet: Greet
    uses: tuple[Use, ...]

    @property
    def label(self) -> str:
        """`tenant/id`."""
        return f"{self.slice.unit}/{self.account.id}"

    @property
    def server(self) -> Destination:
        """Where it is and how the way there is protected; the same for all accounts there."""
        return replace(destination(self.settings, self.block), username="")


def named_servers(
    desired: DesiredState, plugins: Mapping[str, ProtocolPlugin], units: Collection[str] | None = None
) -> Iterator[Named]:
    """The servers of all enabled accounts, or of those of some units; without protocols that have no server."""
    for unit, found in sorted(desired.units.items()):
        if units is not None and unit not in units:
            continue
        for account in found.document.accounts:
            if account.enabled:
                yield from _named(found, account, plugins)


def _named(found: Slice, account: Account, plugins: Mapping[str, ProtocolPlugin]) -> Iterator[Named]:
    used = tuple(uses(account))
    blocks: list[tuple[str, Any, Greet]] = []
    load = plugins[account.protocol].load_greeting
    if load is not None:
        blocks.append((account.protocol, account.block, load()))
    if account.smtp is not None:
        blocks.append(("smtp", account.smtp, greet))
    for block, settings, greets in blocks:
        yield Named(found, account, block, settings, greets, tuple(use for use in used if use.block == block))


class Trial:
    """Tries servers: each once without a login, and with `access` the logins that `bindings` and `policy` allow."""

    def __init__(
        self,
        plugins: Mapping[str, ProtocolPlugin],
        access: Access | None = None,
        bindings: Bindings | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._plugins, self._access, self._bindings, self._policy = plugins, access, bindings or {}, policy

    def tried(self, servers: Sequence[Named]) -> list[tuple[Named, Tried]]:
        """What was found, in the order of the servers; many are tried at once."""
        first = {(named.block, named.server): named for named in reversed(servers)}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            greeted = dict(zip(first, pool.map(_greeted, first.values()), strict=True))
            answers = [greeted[named.block, named.server] for named in servers]
            found = [
                replace(one, account=named.label, block=named.block)
                for named, one in zip(servers, answers, strict=True)
            ]
            return list(zip(servers, pool.map(self._logged_in, servers, found), strict=True))

    def _logged_in(self, named: Named, tried: Tried) -> Tried:
        if tried.condition is not Condition.OK or self._access is None or not self._may(named):
            return tried
        try:
            if isinstance(named.settings, SmtpSettings):
                return replace(tried, logged_in=self._submits(named.settings, named.slice.unit, self._access))
            return self._looked(named, tried, self._access)
        except ReconcilerError as error:
            return replace(tried, condition=condition_of(error), reason=str(error), logged_in=True)

    def _may(self, named: Named) -> bool:
        def bound(secret: str) -> Collection[Destination]:
            return self._bindings.get((named.slice.unit, secret), ())

        return may_log_in(named.uses, bound, self._policy.lists_host if self._policy else lambda _host: False)

    def _submits(self, settings: SmtpSettings, unit: str, access: Access) -> bool:
        access.log_in(unit, settings, _LIMITS, lambda secret: open_connection(settings, secret, _LIMITS)).close()
        return True

    def _looked(self, named: Named, tried: Tried, access: Access) -> Tried:
        opener, settings = self._plugins[named.account.protocol].load(), read_only(named.settings)
        with closing(
            access.log_in(named.slice.unit, settings, _LIMITS, lambda secret: opener(settings, secret, _LIMITS))
        ) as session:
            folders = getattr(settings, "folders", ("",))
            waiting = {folder: len(session.list(folder, (), None).mails) for folder in folders}
            capabilities = tuple(sorted(session.capabilities)) or tried.capabilities
        return replace(tried, logged_in=True, waiting=waiting, capabilities=capabilities)


def findings_of(tried: Sequence[tuple[Named, Tried]]) -> list[Finding]:
    """What is wrong with the servers, each at the line that names it."""
    return [_finding(named, one) for named, one in tried if one.condition is not Condition.OK]


def _finding(named: Named, tried: Tried) -> Finding:
    place = named.slice.locate(f"accounts/{named.account.id}/{named.block}/host")
    accounts = [i for i, origin in named.slice.account_origins.items() if origin.file == place.file]
    index = accounts.index(named.account.id) if named.account.id in accounts else 0
    code = "W302" if tried.logged_in else "W301"
    message = f"{tried.condition.value}: {tried.reason}"
    pointer = f"/accounts/{index}/{named.block}/host"
    return Finding(place.file, place.line, place.column, pointer, code, message, named.slice.unit)


def _greeted(named: Named) -> Tried:
    address = named.server.address
    try:
        capabilities = named.greet(named.settings, _LIMITS)
    except ReconcilerError as error:
        return Tried("", "", address, condition_of(error), str(error))
    return Tried("", "", address, Condition.OK, "", tuple(sorted(capabilities)))
