"""Stored mails and rules for a replay: which mails rules were asked about, and the rules of a revision."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, or_, select

from reconciler.core.errors import Invalid
from reconciler.core.rule import Rule
from reconciler.store.tables import accounts, mails, raw_mails, revisions

_RULES = TypeAdapter(tuple[Rule, ...])
_ASKED = frozenset({"open_case", "discard"})


@dataclass(frozen=True, slots=True)
class Replayable:
    """A stored mail that rules were asked about. `kind` is what it was taken for."""

    id: int
    tenant: str
    account: str
    account_type: str
    size: int
    kind: str
    raw: bytes


def candidates(connection: Connection, tenants: Collection[str], since: datetime | None) -> list[int]:
    """Ids of the tenants' decided mails whose bytes are kept, oldest first; `since` None: of any age."""
    query = (
        select(mails.c.id)
        .where(mails.c.tenant.in_(sorted(tenants)), mails.c.kind.is_not(None), mails.c.erased_at.is_(None))
        .order_by(mails.c.id)
    )
    if since is not None:
        query = query.where(mails.c.received_at >= since)
    return list(connection.execute(query).scalars())


def read_mails(connection: Connection, first: int, last: int, tenants: Collection[str]) -> Iterator[Replayable]:
    """The mails between two ids (both included) that rules were asked about."""
    query = (
        select(
            mails.c.id,
            mails.c.tenant,
            accounts.c.id.label("account"),
            accounts.c.type,
            mails.c.size,
            mails.c.kind,
            mails.c.decision,
            raw_mails.c.data,
        )
        .join(raw_mails, raw_mails.c.mail_id == mails.c.id)
        .join(accounts, accounts.c.key == mails.c.account_key)
        .where(mails.c.id.between(first, last), mails.c.tenant.in_(sorted(tenants)), mails.c.kind.is_not(None))
        .where(mails.c.erased_at.is_(None))
        .order_by(mails.c.id)
    )
    for row in connection.execute(query):
        decision = row.decision or {}
        if decision.get("action") in _ASKED or decision.get("reason") == "by-rule":
            yield Replayable(row.id, row.tenant, row.account, row.type, row.size, row.kind, row.data)


def applied_rules(connection: Connection, named: str) -> dict[str, Sequence[Rule]]:
    """The rules of a revision by its number, or of all revisions of a commit or digest (7 characters at least).

    Raises Invalid if there is none, or if its rules cannot be read any more.
    """
    query = select(revisions.c.id, revisions.c.unit, revisions.c.document).order_by(revisions.c.id)
    if named.isdecimal() and len(named) < 7:
        query = query.where(revisions.c.id == int(named))
    elif len(named) >= 7:
        begins = named.lower().replace("%", "").replace("_", "") + "%"
        query = query.where(or_(revisions.c.commit.like(begins), revisions.c.digest.like(begins)))
    else:
        raise Invalid(f"{named!r} is no revision; write its number as `reconciler history` shows it, or a commit")
    found: dict[str, Sequence[Rule]] = {}
    for row in connection.execute(query):
        try:
            found[row.unit] = _RULES.validate_python(row.document.get("routing", ()))
        except ValidationError as error:
            raise Invalid(f"revision {row.id}: its rules cannot be read by this program any more") from error
    if not found:
        raise Invalid(f"there is no revision {named}; `reconciler history` lists them")
    return found
