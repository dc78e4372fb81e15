"""Remembers where each secret is sent: bound by the first revision that uses it, moved only by a permitted redirect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import Connection, delete, insert, select

from reconciler.core.binding import Destination, uses
from reconciler.core.plan import TenantPlan
from reconciler.core.revision import Slice
from reconciler.core.settings import Security
from reconciler.store.tables import bindings


def read_bindings(connection: Connection) -> Mapping[tuple[str, str], frozenset[Destination]]:
    """Where every secret is bound to, by unit and name."""
    found: dict[tuple[str, str], set[Destination]] = defaultdict(set)
    columns = ("unit", "secret", "host", "port", "username", "security", "min_tls", "trust")
    for unit, secret, *to in connection.execute(select(*(bindings.c[name] for name in columns))):
        found[unit, secret].add(_destination(*to))
    return {name: frozenset(places) for name, places in found.items()}


@lru_cache(100_000)
def _destination(host: str, port: int, username: str, security: str, min_tls: str, trust: str) -> Destination:
    return Destination(host, port, username, Security(security), min_tls, trust)


def write_bindings(connection: Connection, plan: TenantPlan, wanted: Slice, revision: int) -> None:
    """Bind the secrets of a unit that is applied; one that the policy let go elsewhere is bound there alone.

    A binding outlives the account that made it: what is created later with the same secret is held to it.
    """
    of_unit = bindings.c.unit == plan.tenant
    moved = {redirect.secret for change in plan.changes for redirect in change.redirects}
    if moved:
        connection.execute(delete(bindings).where(of_unit, bindings.c.secret.in_(moved)))
    known = {
        (row.secret, row.host, row.port, row.username): (row.security, row.min_tls, row.trust)
        for row in connection.execute(select(bindings).where(of_unit))
    }
    sent = {
        (use.secret, *use.to.login): (use.to.security, use.to.min_tls, use.to.trust)
        for account in wanted.document.accounts
        for use in uses(account)
    }
    for (secret, host, port, username), protection in sent.items():
        if known.get((secret, host, port, username)) == protection:
            continue
        place = {"unit": plan.tenant, "secret": secret, "host": host, "port": port, "username": username}
        same = (bindings.c[name] == value for name, value in place.items())
        connection.execute(delete(bindings).where(*same))
        values = place | dict(zip(("security", "min_tls", "trust"), protection, strict=True))
        connection.execute(insert(bindings).values(**values, revision_id=revision))
