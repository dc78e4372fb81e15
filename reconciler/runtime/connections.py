"""How many connections and logins the fast door has at each mail server, and whether there may be one more."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from reconciler.core import connection_limit
from reconciler.core.connection_limit import ConnectionLimit
from reconciler.core.health import Condition, Trouble
from reconciler.core.manners import is_about_connections
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.settings import RunSettings

Host = tuple[object, object]
"""Name and port; each None where a protocol's settings have no such thing."""

CLOSING_SECONDS = 0.3
"""A server that counts our connections may count one so long after we have closed it."""


def host_of(account: FetchAccount) -> Host:
    """Where the account's mail server is."""
    return host_in(account.account.block)


def host_in(block: object) -> Host:
    """Where the mail server of a protocol's settings is."""
    return (getattr(block, "host", None), getattr(block, "effective_port", None))


class Connections:
    """Counts what is open, and learns from refusals how many a server takes. All instants are in monotonic seconds."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._proven: set[Host] = set()
        self._logins: Counter[Host] = Counter()
        self._open: Counter[Host] = Counter()
        self._limits: dict[Host, ConnectionLimit] = {}
        self._closing: deque[tuple[float, Host]] = deque()

    def may_log_in(self, host: Host) -> bool:
        """Whether a login more may be in hand: few at a host that has let nobody in yet."""
        most = self._settings.logins if host in self._proven else self._settings.unproven_logins
        return self._logins[host] < most and self._logins.total() < self._settings.slots

    def login_began(self, host: Host) -> None:
        """A login is in hand."""
        self._logins[host] += 1

    def login_ended(self, host: Host) -> None:
        """It is not any more, or stands in nobody's way any more."""
        self._logins[host] = max(0, self._logins[host] - 1)

    def let_in(self, host: Host) -> None:
        """The host has let an account in, whether or not the connection is used."""
        self._proven.add(host)

    def opened(self, host: Host, now: float) -> None:
        """A connection more is open."""
        self._open[host] += 1
        self._limits[host] = connection_limit.opened(self._limit(host), self._open[host], now)

    def closed(self, host: Host, now: float) -> None:
        """It is not any more."""
        self._open[host] -= 1
        self._closing.append((now + CLOSING_SECONDS, host))

    def refused(self, host: Host, account_key: int, error: Exception, now: float) -> None:
        """A login has failed; if that may be for the number of connections, fewer are used from now on."""
        if isinstance(error, Trouble) and error.condition is Condition.THROTTLED and is_about_connections(str(error)):
            self._limits[host] = connection_limit.refused(self._limit(host), account_key, self._open[host], now)

    def has_room(self, host: Host, evict: Callable[[Host | None], bool], now: float) -> bool:
        """Whether a connection more may be open.

        `evict` closes the connection that rested longest, at this host or anywhere (None); False if none rests.
        """
        settings, learnt = self._settings, connection_limit.at(self._limit(host), now).most
        most = settings.host_connections if learnt is None else min(learnt, settings.host_connections)
        if self._taken(host) >= most and not evict(host):
            return False
        if self._open.total() + self._logins.total() >= settings.connections and not evict(None):
            return False
        return learnt is None or self._taken(host) + self._closing_at(host, now) < most

    def _limit(self, host: Host) -> ConnectionLimit:
        return self._limits.get(host, ConnectionLimit())

    def _taken(self, host: Host) -> int:
        return self._open[host] + self._logins[host]

    def _closing_at(self, host: Host, now: float) -> int:
        while self._closing and self._closing[0][0] <= now:
            self._closing.popleft()
        return sum(at == host for _, at in self._closing)
