"""What the store knows of the signs in mails: tokens, Message-IDs of theirs and ours; one look for many mails."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select

from reconciler.core.correlation import StoredMail
from reconciler.core.token import TokenRecord
from reconciler.store import cases
from reconciler.store.tables import mails, outbox, probes

T = TypeVar("T", int, str)

_CHUNK = 500
"""Values in one query; databases bound the number of parameters."""

_FILED = (
    select(mails.c.message_id, mails.c.case_id)
    .where(
        mails.c.tenant == bindparam("tenant"),
        mails.c.message_id.in_(bindparam("ids", expanding=True)),
        mails.c.case_id.is_not(None),
    )
    .order_by(mails.c.id)
)
_SENT = select(outbox.c.message_id).where(outbox.c.message_id.in_(bindparam("ids", expanding=True)))
_PROBES = select(probes.c.message_id).where(probes.c.message_id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Signs:
    """What is asked: ids of tokens; Message-IDs of the mails themselves, and of originals in bounces; (tenant,
    Message-ID) of those they follow."""

    tokens: frozenset[int] = frozenset()
    own: frozenset[str] = frozenset()
    originals: frozenset[str] = frozenset()
    thread: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, other: Signs) -> Signs:
        """Both together."""
        return Signs(
            self.tokens | other.tokens,
            self.own | other.own,
            self.originals | other.originals,
            self.thread | other.thread,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of them: records of tokens; (tenant, Message-ID) of mails that stand on a case; Message-IDs of
    mails we sent, and of test mails."""

    tokens: Mapping[int, TokenRecord] = field(default_factory=dict)
    filed: Mapping[tuple[str, str], StoredMail] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()
    probes: frozenset[str] = frozenset()


def look_up(connection: Connection, signs: Signs) -> Known:
    """What the store knows of the signs, in one query a kind."""
    filed: dict[tuple[str, str], StoredMail] = {}
    for tenant, wanted in _by_tenant(signs.thread).items():
        for ids in _chunks(wanted):
            for row in connection.execute(_FILED, {"tenant": tenant, "ids": ids}):
                filed[tenant, row.message_id] = StoredMail(tenant, row.case_id)
    sent = {i for ids in _chunks(signs.own) for i in connection.execute(_SENT, {"ids": ids}).scalars()}
    test_mails = _chunks(signs.own | signs.originals)
    probing = {i for ids in test_mails for i in connection.execute(_PROBES, {"ids": ids}).scalars()}
    tokens = {i: r for ids in _chunks(signs.tokens) for i, r in cases.read_tokens(connection, ids).items()}
    return Known(tokens, filed, frozenset(sent), frozenset(probing))


def _by_tenant(thread: Collection[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tenant, message_id in thread:
        found.setdefault(tenant, []).append(message_id)
    return found


def _chunks(values: Collection[T]) -> Iterator[list[T]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
