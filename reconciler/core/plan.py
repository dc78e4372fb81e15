"""Plans as values: what a desired state would change in the running one, and what that would do."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.core.account import MAIN
from reconciler.core.binding import Redirect
from reconciler.core.difference import FieldChange
from reconciler.core.guard import Guard
from reconciler.core.policy import BUILT_IN, GuardPolicy
from reconciler.core.reroute import Reroute, Share
from reconciler.core.settings import Consequence


class Op(StrEnum):
    """What happens to an account, or (with account None) to what a tenant's file says beside its accounts.

    A retired or draining account that comes back is restored under its own id, adopted under another.
    """

    CREATE = "create"
    UPDATE = "update"
    RENAME = "rename"
    RETIRE = "retire"
    RESTORE = "restore"
    ADOPT = "adopt"


@dataclass(frozen=True, slots=True)
class Impact:
    """Whom a change to a running account concerns; numbers of the moment, never part of a digest.

    `backlog`: mails on the server that are to be taken; `left_behind`: those that `start` left there for good.
    """

    open_cases: int = 0
    open_referrals: int = 0
    last_mail: datetime | None = None
    backlog: int = 0
    left_behind: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One operation. `former` is a renamed account's old id; `impact` None: nothing runs yet, or unknown.

    `redirects`: the secrets it would send to another place than before. `share`: of a cycle; None beside accounts.
    `serves`: the tenants that a system account serves before the change, a new one after it.
    """

    op: Op
    account: str | None
    consequence: Consequence
    fields: tuple[FieldChange, ...] = ()
    impact: Impact | None = None
    former: str | None = None
    redirects: tuple[Redirect, ...] = ()
    share: Share | None = None
    serves: tuple[str, ...] = ()

    @property
    def mails_taken_off(self) -> int | None:
        """Of a destructive change the mails on the server now that it would take off their folder; None: unknown."""
        if self.consequence is not Consequence.DESTRUCTIVE or self.impact is None:
            return None
        return self.impact.backlog

    @property
    def removes(self) -> bool:
        """True if people would miss something afterwards: such changes are shown first."""
        return self.op is Op.RETIRE or self.consequence is Consequence.DESTRUCTIVE


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """What would change in one unit (`main` for the main accounts). `target` None: the unit's file is gone.

    `reroutes`: the tenants that another system account would serve because of it.
    """

    tenant: str
    base: str | None
    target: str | None
    changes: tuple[Change, ...]
    guards: tuple[Guard, ...] = ()
    reroutes: tuple[Reroute, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the slices compared, the changes and the guards' names; no counts, times or positions."""
        changes = [
            (
                c.op,
                c.account,
                c.former,
                [(f.path, f.old, f.new) for f in c.fields],
                [(r.secret, r.block, list(map(str, r.bound)), str(r.to)) for r in c.redirects],
            )
            for c in self.changes
        ]
        content = [self.tenant, self.base, self.target, changes, sorted(self.guards)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def locked(self) -> tuple[tuple[Change, Redirect], ...]:
        """The redirects that only the operators' policy lets pass, and does not."""
        return tuple((c, r) for c in self.changes for r in c.redirects if not r.unlocked)

    def reason(self, acknowledged: Container[str], limits: GuardPolicy) -> str:
        """Why the unit stays as it is, and what lets it pass, in words; empty if nothing blocks it."""
        redirects = [f"redirect: {r.sentence(f'{self.tenant}/{c.account}')}" for c, r in self.locked]
        if not self.guards or self.digest in acknowledged:
            return "; ".join(redirects)
        causes = "; ".join(guard.sentence(limits) for guard in self.guards)
        return "; ".join([*redirects, f"{causes}; run: reconciler ack {self.digest} --reason TEXT"])

    def blocked(self, acknowledged: Container[str]) -> bool:
        """Whether the unit stays as it is: a guard waits for its acknowledgement, or a secret would be redirected."""
        return bool(self.locked) or (bool(self.guards) and self.digest not in acknowledged)


class BaseKind(StrEnum):
    """What a plan compares with: files at a revision, a snapshot, the applied state, or nothing as none is there."""

    APPLIED = "applied"
    NOTHING = "nothing"
    SNAPSHOT = "snapshot"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole of what would change. `held` units have errors in their files and stay as they are."""

    base: BaseKind
    state: str
    source: str
    commit: str | None
    tenants: tuple[TenantPlan, ...]
    held: tuple[str, ...]
    secrets_to_provide: tuple[str, ...]
    limits: GuardPolicy = BUILT_IN.guards

    @property
    def counts(self) -> Mapping[Op, int]:
        """How many changes of each operation there are, zeros included."""
        counted = Counter(change.op for tenant in self.tenants for change in tenant.changes)
        return {op: counted[op] for op in Op}

    def blocked(self, acknowledged: frozenset[str]) -> tuple[TenantPlan, ...]:
        """The units that a guard or a redirect keeps from being applied."""
        return tuple(t for t in self.tenants if t.blocked(acknowledged))


Impacts = Mapping[tuple[str, str], Impact]
"""By unit and account id; an account that is missing has no known impact."""

HasSecret = Callable[[str, str], bool]
"""Whether the secret of this unit and name can be resolved."""


def unit_order(unit: str) -> tuple[bool, str]:
    """Sort key of units: the main accounts first, since they serve everybody, then by name."""
    return unit != MAIN, unit
