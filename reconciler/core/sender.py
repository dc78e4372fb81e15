"""Who sends a mail of ours: From, Reply-To, envelope sender, and the account whose server takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core.account import RelayFrom, Subaddressing
from reconciler.core.message import Address
from reconciler.core.outgoing import subaddressed
from reconciler.core.revision import AppliedAccount


@dataclass(frozen=True, slots=True)
class Sending:
    """How a mail leaves. `via` is the account whose `smtp` is used; `mail_from` the envelope sender, for bounces."""

    via: AppliedAccount
    sender: Address
    reply_to: Address
    mail_from: str


Lookup = Callable[[str], AppliedAccount | None]
"""Finds another account of the same unit by its id."""


def submission_account(account: AppliedAccount, lookup: Lookup) -> AppliedAccount | None:
    """The account whose `smtp` this one sends through: itself or the one `send_from` names; None: it cannot send."""
    if account.account.smtp is not None:
        return account
    if account.account.send_from is None:
        return None
    other = lookup(account.account.send_from)
    return other if other is not None and other.account.smtp is not None else None


def token_address(account: AppliedAccount, token: str) -> str:
    """The account's address carrying the token, or the plain address where its server takes no subaddress."""
    subaddressing = account.account.subaddressing
    delimiter = None if subaddressing is Subaddressing.OFF else subaddressing.value
    return subaddressed(account.account.address, delimiter, token)


def referral_sending(system: AppliedAccount, lookup: Lookup, token: str) -> Sending | None:
    """A forward, inquiry or reminder: From and Reply-To are the system account's; None if it cannot send."""
    via = submission_account(system, lookup)
    if via is None:
        return None
    address = token_address(system, token)
    sender = Address(system.account.name, system.account.address)
    return Sending(via, sender, Address(system.account.name, address), address)


def customer_sending(
    inbound: AppliedAccount,
    lookup: Lookup,
    system: AppliedAccount | None,
    system_lookup: Lookup,
    tenant_name: str,
    token: str,
) -> Sending | None:
    """A reply or relay to a customer: From the inbound account, so that the customer's answer comes back to the case.

    Without a submission server of its own, or with `relay_from: reply-account`, the reply account sends under the
    tenant's display name; Reply-To leads to the inbound account either way. None if nobody can send.
    """
    back = token_address(inbound, token)
    reply_to = Address(inbound.account.name, back)
    via = submission_account(inbound, lookup)
    if via is not None and (inbound.account.relay_from is RelayFrom.INBOUND or system is None):
        return Sending(via, Address(inbound.account.name, inbound.account.address), reply_to, back)
    if system is None:
        return None
    via = submission_account(system, system_lookup)
    if via is None:
        return None
    return Sending(via, Address(tenant_name, system.account.address), reply_to, back)
