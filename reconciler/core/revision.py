"""Desired and applied state as values: units (a tenant or `main`), their documents, digests and origins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from reconciler.core.account import MAIN, Account, Document, TenantDocument
from reconciler.core.binding import Destination
from reconciler.core.commit import Commit
from reconciler.core.secret import secret_names


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something stands: file relative to the accounts folder, line and column from 1."""

    file: str
    line: int
    column: int


def canonical(document: Document) -> str:
    """The one text of a document: JSON, keys sorted, without defaults (so a new key with a default changes nothing)."""
    data = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(document: Document) -> str:
    """SHA-256 (hex, 64 characters) of the canonical text."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


@dataclass(frozen=True)
class Slice:
    """The desired state of one unit. `account_origins`: id → place; `locate`: place of `accounts/ID/key`."""

    unit: str
    document: Document
    digest: str
    account_origins: Mapping[str, Origin]
    locate: Callable[[str], Origin] = field(compare=False)

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The names of all secrets that its accounts refer to."""
        return frozenset(name for account in self.document.accounts for name in secret_names(account))


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What a successfully listed source wants. `units` are valid; `held` names the units whose files have errors."""

    units: Mapping[str, Slice]
    held: frozenset[str]
    source: str
    commit: Commit | None = None


Bindings = Mapping[tuple[str, str], frozenset[Destination]]
"""By unit and secret, where the secret may be sent."""


class AccountStatus(StrEnum):
    """Where an account stands: serving, draining (late answers only) or retired (nothing any more)."""

    SERVING = "serving"
    DRAINING = "draining"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class AppliedAccount:
    """An account as it was applied; `key` is its identity for life (it outlives a rename)."""

    key: int
    unit: str
    account: Account
    status: AccountStatus
    revision: int
    since: datetime
    origin: Origin

    @property
    def tenant(self) -> str | None:
        """The tenant; None for a main account."""
        return None if self.unit == MAIN else self.unit

    @property
    def label(self) -> str:
        """`tenant/id`, as people and commands write it (`main/id` for the main accounts)."""
        return f"{self.unit}/{self.account.id}"


@dataclass(frozen=True, slots=True)
class AppliedUnit:
    """The revision of a unit that runs now; `retired` when its file was removed."""

    unit: str
    revision: int
    digest: str
    document: Document
    applied_at: datetime
    commit: str | None = None
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Revision:
    """A line of the history: what was accepted, when, from where. `author` is the commit's, or who applied a folder;
    `committed_at` is None for a folder. `retired` says that the unit's file was removed."""

    id: int
    unit: str
    digest: str
    source: str
    commit: str | None
    author: str | None
    committed_at: datetime | None
    applied_at: datetime
    retired: bool


@dataclass(frozen=True)
class AppliedState:
    """What runs now: the applied units, every account that is not retired, by (unit, id), and the ids of the retired.

    A retired unit stays in `units`, so that its language and name are known as long as its cases are. `bindings`: by
    unit and secret, where it was sent first or the operators' policy has let it go since.
    """

    units: Mapping[str, AppliedUnit]
    accounts: Mapping[tuple[str, str], AppliedAccount]
    retired: frozenset[tuple[str, str]] = frozenset()
    bindings: Bindings = field(default_factory=dict)

    @cached_property
    def own_addresses(self) -> frozenset[str]:
        """The addresses of all accounts, lower-case without subaddress."""
        return frozenset(a.account.address_identity for a in self.accounts.values())

    @cached_property
    def by_key(self) -> Mapping[int, AppliedAccount]:
        """The accounts by their key."""
        return {a.key: a for a in self.accounts.values()}

    def tenant_document(self, tenant: str) -> TenantDocument | None:
        """The tenant's applied document; None if the tenant is unknown."""
        unit = self.units.get(tenant)
        return unit.document if unit is not None and isinstance(unit.document, TenantDocument) else None


NOTHING_APPLIED = AppliedState({}, {})
