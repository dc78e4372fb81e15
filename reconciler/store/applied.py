"""Remembers the applied state: revisions of units, their accounts for life, and how each unit's sync stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select, update

from reconciler.core.account import MAIN, Account, AccountType, Document
from reconciler.core.commit import Commit
from reconciler.core.errors import Invalid
from reconciler.core.plan import Change, Op, TenantPlan
from reconciler.core.registry import Registry
from reconciler.core.revision import (
    AccountStatus,
    AppliedAccount,
    AppliedState,
    AppliedUnit,
    Origin,
    Revision,
    Slice,
    canonical,
)
from reconciler.core.settings import parse_duration
from reconciler.core.status import Sync
from reconciler.store.bindings import read_bindings, write_bindings
from reconciler.store.moving import WAITING, move_accounts
from reconciler.store.tables import accounts, acks, copy_marks, folders, health, revisions, sending, units

_CURSORS = (folders, copy_marks, health, sending)
_RUNNING = units.c.revision_id == revisions.c.id
_WITHOUT_CONFIG = [column for column in accounts.c if column.name != "config"]
_STATUSES = {status.value: status for status in AccountStatus}
_NEWEST = select(func.max(revisions.c.id))
_SHARE = 500
"""How many units are named in one statement."""

PURGE_AFTER = timedelta(days=90)
"""How long a retired account keeps its cursor, so that its file may be restored without reading the mailbox anew."""


def read_applied(connection: Connection, registry: Registry) -> AppliedState:
    """What runs now. Raises Invalid, naming the unit, if a stored document cannot be read with these plug-ins."""
    found: dict[str, AppliedUnit] = {}
    ids: dict[tuple[str, str], Account] = {}
    columns = (revisions.c[name] for name in ("id", "digest", "applied_at", "commit", "retired"))
    rows = connection.execute(select(units.c.unit, *columns).join_from(units, revisions, _RUNNING)).all()
    documents = _documents(connection, {row.unit: row.digest for row in rows}, registry)
    for row in rows:
        document = documents[row.unit]
        found[row.unit] = AppliedUnit(
            row.unit, row.id, row.digest, document, row.applied_at, row.commit, retired=row.retired
        )
        ids.update({(row.unit, account.id): account for account in document.accounts})
    running: dict[tuple[str, str], AppliedAccount] = {}
    retired: set[tuple[str, str]] = set()
    for row in connection.execute(select(*_WITHOUT_CONFIG).order_by(accounts.c.key)):
        name = (row.unit, row.id)
        if row.status == AccountStatus.RETIRED:
            retired.add(name)
            continue
        status = _STATUSES[row.status]
        serving = ids.get(name) if status is AccountStatus.SERVING else None
        # The name of what an account left behind (`ID~KEY`) is none that a file may give.
        account = serving or _account(connection, row.unit, row.key, registry).model_copy(update={"id": row.id})
        origin = Origin(row.file, row.line, row.column)
        running[name] = AppliedAccount(row.key, row.unit, account, status, row.revision_id, row.since, origin)
    return AppliedState(found, running, frozenset(retired), read_bindings(connection))


def write_unit(
    connection: Connection,
    plan: TenantPlan,
    wanted: Slice | None,
    *,
    source: str,
    commit: Commit | None = None,
    author: str | None = None,
    now: datetime,
) -> int:
    """Carry out one unit's plan, to be called in one transaction of its own; the new revision's number.

    `wanted` None: the unit's file is gone. A rename and a restore keep the account's key, so that what was fetched
    stays known. A retired system account drains first if externals still have to answer to it, and so does the
    mailbox or address that one leaves.
    """
    revision = _write_revision(connection, plan, wanted, source, commit, author, now)
    renames = {c.former: c.account for c in plan.changes if c.op in (Op.RENAME, Op.ADOPT) and c.former and c.account}
    _rename(connection, plan.tenant, renames)
    if wanted is not None:
        floors = move_accounts(connection, wanted, revision, now)
        _write_accounts(connection, plan.changes, wanted, revision, now, floors)
        write_bindings(connection, plan, wanted, revision)
    for change in plan.changes:
        if change.op is Op.RETIRE and change.account is not None:
            _retire(connection, plan.tenant, change.account, revision, now)
    _point_to(connection, plan.tenant, revision, wanted, now)
    # An acknowledgement is for one change: the same one asks again after the state has gone back.
    connection.execute(update(acks).where(acks.c.digest == plan.digest).values(revision_id=revision))
    return revision


def write_sync(
    connection: Connection, unit: str, sync: Sync, reason: str, attempted_digest: str | None, now: datetime
) -> bool:
    """Remember how the unit stands; True if that is news. `since` moves only when the sync itself changes."""
    row = connection.execute(select(units).where(units.c.unit == unit)).one_or_none()
    stands = {"sync": sync, "reason": reason, "attempted_digest": attempted_digest}
    if row is None:
        connection.execute(insert(units).values(unit=unit, since=now, attempted_at=now, **stands))
        return True
    if all(row._mapping[name] == value for name, value in stands.items()):
        return False
    since = row.since if row.sync == sync else now
    connection.execute(update(units).where(units.c.unit == unit).values(since=since, attempted_at=now, **stands))
    return True


def forget_unit(connection: Connection, unit: str) -> None:
    """Drop the sync of a unit that never ran and whose files are gone."""
    connection.execute(delete(units).where(units.c.unit == unit, units.c.revision_id.is_(None)))


def history(connection: Connection, unit: str | None) -> tuple[Revision, ...]:
    """The accepted revisions of a unit, or of all units; newest first."""
    query = select(*(c for c in revisions.c if c.name != "document")).order_by(revisions.c.id.desc())
    if unit is not None:
        query = query.where(revisions.c.unit == unit)
    return tuple(Revision(**row._mapping) for row in connection.execute(query))


def read_revision(connection: Connection, revision: int, registry: Registry) -> tuple[Revision, Document]:
    """A line of the history with its document. Raises Invalid if there is no such revision."""
    row = connection.execute(select(revisions).where(revisions.c.id == revision)).one_or_none()
    if row is None:
        raise Invalid(f"there is no revision {revision}; `reconciler history` lists them")
    line = {name: value for name, value in row._mapping.items() if name != "document"}
    return Revision(**line), read_document(row.unit, row.document, registry)


def commit_of(connection: Connection, revision: int) -> Commit | None:
    """The commit a revision came from; None if it came from a folder."""
    row = connection.execute(select(revisions).where(revisions.c.id == revision)).one_or_none()
    if row is None or row.commit is None or row.committed_at is None:
        return None
    return Commit(row.commit, row.author or "", row.committed_at)


def newest_revision(connection: Connection) -> int:
    """The number of the revision that was applied last, of whichever unit; 0 if nothing was applied."""
    return connection.execute(_NEWEST).scalar() or 0


def any_draining(connection: Connection) -> bool:
    """Whether some account only waits for late answers."""
    query = select(accounts.c.key).where(accounts.c.status == AccountStatus.DRAINING).limit(1)
    return connection.execute(query).first() is not None


def finish_draining(connection: Connection, now: datetime) -> tuple[str, ...]:
    """Retire the draining accounts nobody has to answer to any more, or whose `retire_after` is over; their labels."""
    query = select(accounts, WAITING.label("waiting")).where(accounts.c.status == AccountStatus.DRAINING)
    done = [row for row in connection.execute(query) if not row.waiting or now >= row.since + _retire_after(row.config)]
    for row in done:
        retired = update(accounts).where(accounts.c.key == row.key)
        connection.execute(retired.values(status=AccountStatus.RETIRED, since=now))
    return tuple(f"{row.unit}/{row.id}" for row in done)


def purgeable(connection: Connection, now: datetime) -> frozenset[int]:
    """Keys of the accounts that retired PURGE_AFTER ago and still have a cursor or a schedule."""
    gone = (accounts.c.status == AccountStatus.RETIRED, accounts.c.since <= now - PURGE_AFTER)
    tables = (select(t.c.account_key).join(accounts, accounts.c.key == t.c.account_key).where(*gone) for t in _CURSORS)
    return frozenset(key for query in tables for key in connection.execute(query).scalars())


def purge_retired(connection: Connection, now: datetime) -> int:
    """Remove cursor and schedule of accounts that retired PURGE_AFTER ago; how many accounts that were.

    Mails, cases, notes, referrals and revisions stay, and so does the account's row, for they name it.
    """
    keys = purgeable(connection, now)
    for table in _CURSORS:
        connection.execute(delete(table).where(table.c.account_key.in_(list(keys))))
    return len(keys)


def read_document(unit: str, stored: Mapping[str, Any], registry: Registry) -> Document:
    """A stored revision's document. Raises Invalid, naming the unit, if these plug-ins cannot read it."""
    model = registry.main if unit == MAIN else registry.tenant
    try:
        return model.model_validate(stored)
    except ValidationError as error:
        raise _unreadable(unit, error) from error


def _documents(connection: Connection, running: Mapping[str, str], registry: Registry) -> Mapping[str, Document]:
    """The documents of units (by the digest of each) as values. Those known from before are not read and parsed anew.

    Parsing ten thousand takes seconds, and from one look to the next hardly any is another.
    """
    known = registry.parsed
    found = {unit: parsed for unit, digest in running.items() if (parsed := known.get((unit, digest))) is not None}
    missing = [unit for unit in running if unit not in found]
    query = select(units.c.unit, revisions.c.document).join_from(units, revisions, _RUNNING)
    for some in _shares(missing):
        for row in connection.execute(query.where(units.c.unit.in_(some))):
            found[row.unit] = known[row.unit, running[row.unit]] = read_document(row.unit, row.document, registry)
    if len(known) > 2 * len(running) + _SHARE:
        for old in set(known.copy()) - set(running.items()):
            known.pop(old, None)
    return found


def _shares(names: Sequence[str]) -> Iterator[Sequence[str]]:
    yield from (names[first : first + _SHARE] for first in range(0, len(names), _SHARE))


def _account(connection: Connection, unit: str, key: int, registry: Registry) -> Account:
    stored = connection.execute(select(accounts.c.config).where(accounts.c.key == key)).scalar_one()
    try:
        return registry.account.model_validate(stored)
    except ValidationError as error:
        raise _unreadable(unit, error) from error


def _unreadable(unit: str, error: ValidationError) -> Invalid:
    places = ", ".join(".".join(map(str, e["loc"])) for e in error.errors(include_input=False, include_url=False))
    return Invalid(
        f"the applied revision of {unit} cannot be read ({places}); install the plug-ins it was applied with again"
    )


def _write_revision(
    connection: Connection,
    plan: TenantPlan,
    wanted: Slice | None,
    source: str,
    commit: Commit | None,
    author: str | None,
    now: datetime,
) -> int:
    if wanted is not None:
        digest, document = wanted.digest, json.loads(canonical(wanted.document))
    else:
        runs = select(revisions.c.digest, revisions.c.document).join_from(units, revisions)
        digest, document = connection.execute(runs.where(units.c.unit == plan.tenant)).one()
    written = connection.execute(
        insert(revisions).values(
            unit=plan.tenant,
            digest=digest,
            document=document,
            source=source,
            commit=commit.id if commit is not None else None,
            author=commit.author if commit is not None else author,
            committed_at=commit.committed_at if commit is not None else None,
            applied_at=now,
            retired=wanted is None,
        )
    )
    assert written.inserted_primary_key is not None
    return int(written.inserted_primary_key[0])


def _rename(connection: Connection, unit: str, renames: Mapping[str, str]) -> None:
    """Give rows their new ids in two goes, so that chains and swaps meet no taken id.

    A retired account whose id goes to a renamed one is kept as `ID~KEY`, which no file can name.
    """
    aside = accounts.c.id.concat("~").concat(accounts.c.key.cast(accounts.c.id.type))
    concerned = {*renames, *renames.values()}
    rows = connection.execute(
        select(accounts.c.key, accounts.c.id).where(accounts.c.unit == unit, accounts.c.id.in_(concerned))
    ).all()
    for row in rows:
        connection.execute(update(accounts).where(accounts.c.key == row.key).values(id=aside))
    for row in rows:
        if row.id in renames:
            connection.execute(update(accounts).where(accounts.c.key == row.key).values(id=renames[row.id]))


def _write_accounts(
    connection: Connection,
    changes: tuple[Change, ...],
    wanted: Slice,
    revision: int,
    now: datetime,
    floors: Mapping[str, datetime],
) -> None:
    unit = wanted.unit
    stored = {a["id"]: a for a in json.loads(canonical(wanted.document)).get("accounts", [])}
    arriving = {c.account for c in changes if c.op in (Op.CREATE, Op.RESTORE, Op.RENAME, Op.ADOPT)}
    statuses = select(accounts.c.id, accounts.c.status).where(accounts.c.unit == unit)
    present = {row.id: row.status for row in connection.execute(statuses)}
    for account in wanted.document.accounts:
        origin = wanted.account_origins[account.id]
        values: dict[str, Any] = {
            "type": account.type,
            "config": stored[account.id],
            "revision_id": revision,
            "file": origin.file,
            "line": origin.line,
            "column": origin.column,
        }
        if account.id not in present:
            values |= {"unit": unit, "id": account.id, "floor_at": floors.get(account.id, now)}
            connection.execute(insert(accounts).values(status=AccountStatus.SERVING, since=now, **values))
            continue
        if account.id in arriving and present[account.id] != AccountStatus.SERVING:
            values |= {"status": AccountStatus.SERVING, "since": now}
        row = update(accounts).where(accounts.c.unit == unit, accounts.c.id == account.id)
        connection.execute(row.values(**values))


def _retire(connection: Connection, unit: str, account_id: str, revision: int, now: datetime) -> None:
    here = (accounts.c.unit == unit, accounts.c.id == account_id)
    row = connection.execute(select(accounts.c.type, WAITING.label("waiting")).where(*here)).one()
    drains = AccountType(row.type).is_system and row.waiting
    status = AccountStatus.DRAINING if drains else AccountStatus.RETIRED
    connection.execute(update(accounts).where(*here).values(status=status, since=now, revision_id=revision))


def _point_to(connection: Connection, unit: str, revision: int, wanted: Slice | None, now: datetime) -> None:
    write_sync(connection, unit, Sync.SYNCED, "", wanted.digest if wanted is not None else None, now)
    connection.execute(update(units).where(units.c.unit == unit).values(revision_id=revision, attempted_at=now))


def _retire_after(config: Mapping[str, Any]) -> Any:
    written = config.get("retire_after")
    return Account.model_fields["retire_after"].default if written is None else parse_duration(written)
