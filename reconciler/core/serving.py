"""Which system account serves a tenant, and why; asks the applied state only."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.account import MAIN, AccountType
from reconciler.core.revision import AccountStatus, AppliedAccount, AppliedState


@dataclass(frozen=True, slots=True)
class Serving:
    """The account that serves (None: nobody does), the reason in words, and why others of the type do not."""

    account: AppliedAccount | None
    why: str
    rejected: tuple[str, ...]


def serving(state: AppliedState, tenant: str, account_type: AccountType, via: str | None = None) -> Serving:
    """The account through which the tenant's forwards (`reply`) or inquiries (`second-level-reply`) go.

    `via` is the account that the inbound account names in `reply_via` or `second_level_via`. It serves if it can;
    else the tenant's only or default account of the type, else the main account. Inbound accounts serve nobody.
    """
    if not account_type.is_system:
        return Serving(None, "inbound accounts are written to; only system accounts serve a tenant", ())
    unit = state.units.get(tenant)
    if tenant == MAIN or unit is None or unit.retired:
        return Serving(None, f"no tenant {tenant} is applied", ())
    own = _of_type(state, tenant, account_type)
    able = [account for account in own if _hindrance(account) is None]
    chosen = next((a for a in able if a.account.id == via), None)
    if chosen is not None:
        return Serving(chosen, f"the inbound account names {chosen.label}", _rejected(own, chosen))
    missed = f"{tenant}/{via} does not serve, and " if via is not None else ""
    chosen = able[0] if len(able) == 1 else next((a for a in able if a.account.default), None)
    if chosen is not None:
        kind = "only enabled account" if len(able) == 1 else "default account"
        return Serving(
            chosen, f"{missed}{chosen.label} is {tenant}'s {kind} of type {account_type}", _rejected(own, chosen)
        )
    lack = "none of its several accounts" if able else "no enabled account"
    says = f"{missed}{tenant} has {lack} of type {account_type}" + (" as default" if able else "")
    main = _of_type(state, MAIN, account_type)
    chosen = next((a for a in main if _hindrance(a) is None), None)
    so = "so the main account serves it" if chosen is not None else "and no main account can serve it"
    return Serving(chosen, f"{says}, {so}", _rejected([*own, *main], chosen))


def _of_type(state: AppliedState, unit: str, account_type: AccountType) -> list[AppliedAccount]:
    accounts = (a for (owner, _), a in state.accounts.items() if owner == unit and a.account.type is account_type)
    return sorted(accounts, key=lambda a: a.account.id)


def _hindrance(account: AppliedAccount) -> str | None:
    """Why an account cannot serve; None if it can."""
    if account.status is not AccountStatus.SERVING:
        return str(account.status)
    return None if account.account.enabled else "disabled"


def _rejected(accounts: list[AppliedAccount], chosen: AppliedAccount | None) -> tuple[str, ...]:
    return tuple(f"{a.label}: {_hindrance(a) or 'not the default'}" for a in accounts if a is not chosen)
