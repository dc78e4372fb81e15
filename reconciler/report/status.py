"""Renders how units and accounts stand."""

from __future__ import annotations

from typing import Any

from reconciler.core.health import Condition
from reconciler.core.rollback import GONE, HELD
from reconciler.core.status import AccountState, SendingHealth, Status, UnitStatus
from reconciler.report.suspensions import suspension_json
from reconciler.report.terminal import as_json, columns, instant, visible

UNKNOWN = "Unknown"
"""The condition of an account of which no step was tried yet."""


def status_json(status: Status) -> str:
    """Units with sync and revisions, accounts with status and health; instants in ISO 8601, null where never."""
    document: dict[str, Any] = {
        "format_version": 1,
        "tenants": [_unit_json(unit) for unit in status.units],
        "accounts": [_account_json(state) for state in status.accounts],
        "suspensions": [suspension_json(suspension) for suspension in status.suspensions],
    }
    return as_json(document)


def status_text(status: Status) -> str:
    """What is suspended, so that nobody forgets it; then one line per unit, then one per account."""
    units = [
        (
            visible(u.unit),
            str(u.sync),
            f"since {instant(u.since)}",
            "never applied" if u.revision is None else f"revision {u.revision}" + (", retired" if u.retired else ""),
            visible(u.reason),
        )
        for u in status.units
    ]
    accounts = [_account_row(state) for state in status.accounts]
    suspended = [visible(suspension.sentence) for suspension in status.suspensions]
    lines = [*suspended, *([""] if suspended else []), *columns(units), *([""] if accounts else []), *columns(accounts)]
    return "".join(line + "\n" for line in lines)


def _unit_json(unit: UnitStatus) -> dict[str, Any]:
    return {
        "tenant": unit.unit,
        "sync": unit.sync,
        "reason": unit.reason,
        "since": instant(unit.since),
        "revision": unit.revision,
        "applied_digest": unit.applied_digest,
        "retired": unit.retired,
        "attempted_digest": None if unit.attempted_digest in (HELD, GONE) else unit.attempted_digest,
        "attempted_at": instant(unit.attempted_at),
    }


def _account_json(state: AccountState) -> dict[str, Any]:
    applied, health = state.applied, state.health
    return {
        "tenant": applied.unit,
        "account": applied.account.id,
        "type": applied.account.type,
        "enabled": applied.account.enabled,
        "status": applied.status,
        "condition": health.condition if health else UNKNOWN,
        "reason": health.reason if health else "",
        "since": instant(health.since) if health else None,
        "last_success": instant(health.succeeded_at) if health else None,
        "backlog": health.backlog if health else None,
        "rate": state.rate,
        "next_step": instant(state.next_step),
        "sending": _sending_json(state.sending),
        "suspended": sorted(state.suspended),
    }


def _suspended(state: AccountState) -> list[str]:
    return [f"{activity} suspended" for activity in sorted(state.suspended)]


def _sending_json(sending: SendingHealth | None) -> dict[str, Any] | None:
    if sending is None:
        return None
    return {
        "condition": sending.condition,
        "reason": sending.reason,
        "since": instant(sending.since),
        "last_success": instant(sending.succeeded_at),
    }


def _account_row(state: AccountState) -> tuple[str, ...]:
    applied, health, sending = state.applied, state.health, state.sending
    ill = sending is not None and sending.condition is not Condition.OK
    return (
        visible(applied.label),
        str(applied.account.type),
        ", ".join([str(applied.status) if applied.account.enabled else "disabled", *_suspended(state)]),
        str(health.condition) if health else UNKNOWN,
        f"since {instant(health.since)}" if health else "",
        f"last success {instant(health.succeeded_at) or 'never'}" if health else "",
        f"backlog {health.backlog}" if health else "",
        f"{state.rate:g} a minute" if state.rate is not None else "",
        f"next step {instant(state.next_step) or 'unknown'}" if health else "",
        visible(health.reason) if health else "",
        f"cannot send: {sending.condition} since {instant(sending.since)}" if sending and ill else "",
        visible(sending.reason) if sending and ill else "",
    )
