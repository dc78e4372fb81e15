"""What runs as a value to carry elsewhere: for plans where the state itself cannot be asked, such as in CI.

It holds the applied files' contents and numbers about accounts; no secret, no case, no address of a customer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reconciler.core.account import MAIN, Account, Document
from reconciler.core.binding import Destination
from reconciler.core.errors import Invalid
from reconciler.core.plan import BaseKind, Impact, Impacts
from reconciler.core.registry import Registry
from reconciler.core.revision import (
    AccountStatus,
    AppliedAccount,
    AppliedState,
    AppliedUnit,
    DesiredState,
    Origin,
    canonical,
    digest,
)
from reconciler.core.settings import Security

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_HELP = "make one with: reconciler snapshot"


@dataclass(frozen=True, slots=True)
class Base:
    """What a plan compares with: its kind, its name as people are shown it, and what runs or ran there.

    An account without an impact concerns nobody knows how many. `acknowledged`: digests of plans that may pass.
    `unknown`: units that were there, but with errors.
    """

    kind: BaseKind
    name: str
    applied: AppliedState
    impacts: Impacts
    acknowledged: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Unit(_Row):
    unit: str
    revision: int
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    retired: bool
    document: dict[str, Any]


class _Account(_Row):
    unit: str
    id: str
    status: Literal["serving", "draining"]
    config: dict[str, Any]
    open_cases: int
    open_referrals: int
    last_mail: AwareDatetime | None
    backlog: int
    left_behind: int


class _Retired(_Row):
    unit: str
    id: str


class _Binding(_Row):
    unit: str
    secret: str
    host: str
    port: int
    username: str
    security: Security
    min_tls: str
    trust: str


class _File(_Row):
    format_version: Literal[1]
    kind: Literal["snapshot"]
    taken_at: AwareDatetime
    units: list[_Unit]
    accounts: list[_Account]
    retired: list[_Retired]
    bindings: list[_Binding]
    acknowledged: list[str]


def snapshot_data(base: Base, now: datetime) -> Mapping[str, Any]:
    """What `reconciler snapshot` writes."""
    applied = base.applied
    units = [
        _Unit(unit=u.unit, revision=u.revision, digest=u.digest, retired=u.retired, document=_json(u.document))
        for _, u in sorted(applied.units.items())
    ]
    accounts = [
        _account_row(unit, id_, runs, base.impacts.get((unit, id_), Impact()))
        for (unit, id_), runs in sorted(applied.accounts.items())
    ]
    bound = [
        _Binding(
            unit=unit,
            secret=secret,
            host=to.host,
            port=to.port,
            username=to.username,
            security=to.security,
            min_tls=to.min_tls,
            trust=to.trust,
        )
        for (unit, secret), places in sorted(applied.bindings.items())
        for to in sorted(places)
    ]
    file = _File(
        format_version=1,
        kind="snapshot",
        taken_at=now,
        units=units,
        accounts=accounts,
        retired=[_Retired(unit=unit, id=id_) for unit, id_ in sorted(applied.retired)],
        bindings=bound,
        acknowledged=sorted(base.acknowledged),
    )
    return file.model_dump(mode="json")


def read_snapshot(text: str, name: str, registry: Registry) -> Base:
    """The snapshot in this text. Raises Invalid, with the way to make one, for anything else."""
    try:
        file = _File.model_validate(json.loads(text))
        return _base(file, name, registry)
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
        raise Invalid(f"{name} is no snapshot that this program can read ({place or 'whole file'}); {_HELP}") from None
    except (ValueError, RecursionError):
        raise Invalid(f"{name} is no snapshot: it is not JSON; {_HELP}") from None


def base_of_files(desired: DesiredState, name: str) -> Base:
    """What would run had these files been applied; whom a change concerns is unknown."""
    units, accounts = {}, {}
    for unit, wanted in desired.units.items():
        units[unit] = AppliedUnit(unit, 0, wanted.digest, wanted.document, _NEVER)
        for account in wanted.document.accounts:
            origin = wanted.account_origins[account.id]
            accounts[unit, account.id] = AppliedAccount(0, unit, account, AccountStatus.SERVING, 0, _NEVER, origin)
    return Base(BaseKind.FILES, name, AppliedState(units, accounts), {}, unknown=desired.held)


def _base(file: _File, name: str, registry: Registry) -> Base:
    units, accounts, impacts = {}, {}, {}
    for row in file.units:
        document = (registry.main if row.unit == MAIN else registry.tenant).model_validate(row.document)
        if digest(document) != row.digest:
            raise Invalid(
                f"{name}: the digest of {row.unit} is not that of its contents; the snapshot was changed, or made by "
                f"another version or with other plug-ins; {_HELP}"
            )
        units[row.unit] = AppliedUnit(row.unit, row.revision, row.digest, document, file.taken_at, retired=row.retired)
    for one in file.accounts:
        account = registry.account.model_validate(one.config).model_copy(update={"id": one.id})
        origin, status = Origin("", 1, 1), AccountStatus(one.status)
        accounts[one.unit, one.id] = AppliedAccount(0, one.unit, account, status, 0, file.taken_at, origin)
        impacts[one.unit, one.id] = Impact(
            one.open_cases, one.open_referrals, one.last_mail, one.backlog, one.left_behind
        )
    bindings: dict[tuple[str, str], set[Destination]] = {}
    for place in file.bindings:
        to = Destination(place.host, place.port, place.username, place.security, place.min_tls, place.trust)
        bindings.setdefault((place.unit, place.secret), set()).add(to)
    applied = AppliedState(
        units,
        accounts,
        frozenset((r.unit, r.id) for r in file.retired),
        {key: frozenset(places) for key, places in bindings.items()},
    )
    return Base(BaseKind.SNAPSHOT, name, applied, impacts, frozenset(file.acknowledged))


def _account_row(unit: str, id_: str, runs: AppliedAccount, impact: Impact) -> _Account:
    return _Account(
        unit=unit,
        id=id_,
        status="serving" if runs.status is AccountStatus.SERVING else "draining",
        # What an account left behind when it moved has a name that no file can give.
        config=_json(runs.account) | {"id": id_.partition("~")[0]},
        open_cases=impact.open_cases,
        open_referrals=impact.open_referrals,
        last_mail=impact.last_mail,
        backlog=impact.backlog,
        left_behind=impact.left_behind,
    )


def _json(model: Document | Account) -> dict[str, Any]:
    data: dict[str, Any] = (
        json.loads(canonical(model))
        if isinstance(model, Document)
        else model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    )
    return data
