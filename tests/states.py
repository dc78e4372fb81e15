"""Desired and applied states for tests, written as one would write the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.core.account import MAIN, Account, Document
from reconciler.core.registry import Registry
from reconciler.core.revision import (
    AccountStatus,
    AppliedAccount,
    AppliedState,
    AppliedUnit,
    DesiredState,
    Origin,
    Slice,
    digest,
)
from reconciler.protocol.imap_settings import ImapSettings

REGISTRY = Registry({"imap": ImapSettings})
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def account(account_id: str, kind: str = "inbound", **keys: Any) -> dict[str, Any]:
    """An account as a file says it; `imap` keys given are laid over a complete block."""
    imap = {"host": "mail.acme.example", "username": account_id, "password": {"secret": f"{account_id}-imap"}}
    return {
        "id": account_id,
        "name": account_id.title(),
        "type": kind,
        "address": f"{account_id}@acme.example",
        "protocol": "imap",
        **keys,
        "imap": {**imap, **keys.get("imap", {})},
    }


def document(unit: str, *accounts: Mapping[str, Any], **keys: Any) -> Document:
    """A tenant's document, or main's."""
    if unit == MAIN:
        return REGISTRY.main.model_validate({"version": 1, "accounts": accounts})
    return REGISTRY.tenant.model_validate({"version": 1, "tenant": unit, "accounts": accounts, **keys})


def slice_of(unit: str, *accounts: Mapping[str, Any], **keys: Any) -> Slice:
    """A unit's desired state; accounts stand ten lines apart, every key where its account stands."""
    made = document(unit, *accounts, **keys)
    origins = {a.id: Origin(f"{unit}.yaml", 10 * (i + 1), 5) for i, a in enumerate(made.accounts)}
    head = Origin(f"{unit}.yaml", 1, 1)

    def locate(path: str) -> Origin:
        parts = path.split("/")
        return origins.get(parts[1], head) if parts[0] == "accounts" and len(parts) > 1 else head

    return Slice(unit, made, digest(made), origins, locate)


def desired(*slices: Slice, held: Sequence[str] = ()) -> DesiredState:
    """What a folder with these units wants."""
    return DesiredState({s.unit: s for s in slices}, frozenset(held), "accounts.d")


def applied_account(
    unit: str, model: Account, status: AccountStatus = AccountStatus.SERVING, key: int = 1
) -> AppliedAccount:
    """An account that runs."""
    return AppliedAccount(key, unit, model, status, 1, NOW, Origin(f"{unit}.yaml", 1, 1))


def applied(
    *slices: Slice,
    draining: Sequence[tuple[str, str]] = (),
    retired: Sequence[tuple[str, str]] = (),
    retired_units: Sequence[str] = (),
) -> AppliedState:
    """The state after these units were applied; some of their accounts may be draining or retired."""
    units = {s.unit: AppliedUnit(s.unit, 1, s.digest, s.document, NOW, retired=s.unit in retired_units) for s in slices}
    accounts = {
        (s.unit, a.id): applied_account(
            s.unit, a, AccountStatus.DRAINING if (s.unit, a.id) in draining else AccountStatus.SERVING
        )
        for s in slices
        for a in s.document.accounts
        if (s.unit, a.id) not in retired
    }
    return AppliedState(units, accounts, frozenset(retired))
