"""What must hold for one account beside its neighbours in the unit: protocol block, TLS, sending, named accounts."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError

from reconciler.core.account import MAIN, Account, AccountType, Subaddressing
from reconciler.core.binding import uses
from reconciler.core.draft import Draft
from reconciler.core.finding import Finding
from reconciler.core.place import PlacedAccount
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.policy_rules import policy_findings
from reconciler.core.registry import Registry
from reconciler.core.secret import TOKEN_KEYS
from reconciler.core.shape import complaint

LONGEST_LOCAL_PART = 29
"""Local part, delimiter and 34 characters of token fit into the 64 that RFC 5321 4.5.3.1.1 allows."""

INBOUND_ONLY = ("reply_via", "second_level_via", "relay_from")
SYSTEM_ONLY = ("default", "retire_after")
"""Keys that mean something for accounts of one kind only."""


def account_findings(
    placed: PlacedAccount, draft: Draft, registry: Registry, policy: Policy = BUILT_IN
) -> Iterator[Finding]:
    """Everything wrong with one account; what names other accounts is judged only if the whole unit was read."""
    yield from _protocol(placed, registry)
    yield from _channel(placed, registry)
    yield from _logins(placed)
    yield from policy_findings(placed, policy)
    yield from _sending(placed)
    yield from _type_keys(placed)
    yield from _plugin_settings(placed, registry)
    if draft.document is not None:
        yield from _named_accounts(placed, draft)
        yield from _from_domain(placed, draft)


def _protocol(placed: PlacedAccount, registry: Registry) -> Iterator[Finding]:
    account = placed.account
    if account.protocol not in registry.protocols:
        close = get_close_matches(account.protocol, registry.protocols, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(sorted(registry.protocols))}"
        yield placed.finding("E209", f"no installed plug-in offers this protocol; {hint}", "protocol")
    elif account.block is None:
        yield placed.finding("E208", f"the settings block `{account.protocol}:` is missing", "protocol")
    for name in sorted(account.model_fields_set & registry.protocols.keys()):
        if name != account.protocol and getattr(account, name) is not None:
            message = f"`{name}:` does not go with `protocol: {account.protocol}`; remove the block"
            yield placed.finding("E210", message, name, key=True)


def _channel(placed: PlacedAccount, registry: Registry) -> Iterator[Finding]:
    account = placed.account
    if account.type.is_system and account.channel != "email":
        yield placed.finding("E211", "a system account's channel is always email", "channel")
    elif account.channel not in registry.channels:
        yield placed.finding("E211", f"no such channel; there are {', '.join(sorted(registry.channels))}", "channel")


def _logins(placed: PlacedAccount) -> Iterator[Finding]:
    account = placed.account
    for use in uses(account):
        if placed.unit == MAIN and use.secret == TOKEN_KEYS:
            message = f"`{TOKEN_KEYS}` signs the tokens in our mails and is no password; name another secret"
            yield placed.finding("E319", message, *use.path.split("."))
    smtp = account.smtp
    ways = 0 if smtp is None else (smtp.password is not None) + (smtp.oauth is not None)
    if smtp is not None and ways != (smtp.username is not None):
        message = "username and password go together, or username and oauth; give two or none of them"
        yield placed.finding("E310", message, "smtp")


def _sending(placed: PlacedAccount) -> Iterator[Finding]:
    account = placed.account
    if account.smtp is not None and account.send_from is not None:
        message = "smtp and send_from are two ways to send; keep one"
        yield placed.finding("E317", message, "send_from", key=True)
    if account.smtp is None and account.send_from is None:
        if account.type.is_system:
            message = "a system account sends forwards, inquiries and reminders; give it smtp or send_from"
            yield placed.finding("E307", message)
        else:
            message = "no smtp and no send_from: answers to customers go out through the reply account"
            yield placed.finding("W203", message)
    local = account.address.partition("@")[0]
    if account.subaddressing is not Subaddressing.OFF and len(local) > LONGEST_LOCAL_PART:
        message = f"with subaddressing at most {LONGEST_LOCAL_PART} characters before the @, this has {len(local)}"
        yield placed.finding("E314", message, "address")


def _type_keys(placed: PlacedAccount) -> Iterator[Finding]:
    account = placed.account
    wrong = INBOUND_ONLY if account.type.is_system else SYSTEM_ONLY
    for name in sorted(account.model_fields_set & set(wrong)):
        message = f"`{name}` has no meaning for an account of type {account.type.value}; remove it"
        yield placed.finding("E315", message, name, key=True)


def _plugin_settings(placed: PlacedAccount, registry: Registry) -> Iterator[Finding]:
    for key, value in placed.account.settings.items():
        model = registry.settings.get(key)
        if model is not None:
            yield from _plugin_findings(placed, key, value, model)


def _plugin_findings(placed: PlacedAccount, key: str, value: object, model: type[BaseModel]) -> Iterator[Finding]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            yield placed.finding("E316", complaint(details), "settings", key, *details["loc"])


def _named_accounts(placed: PlacedAccount, draft: Draft) -> Iterator[Finding]:
    account = placed.account
    yield from _named(placed, draft, "reply_via", account.reply_via, AccountType.REPLY)
    yield from _named(placed, draft, "second_level_via", account.second_level_via, AccountType.SECOND_LEVEL_REPLY)
    yield from _named(placed, draft, "send_from", account.send_from, None)
    target = draft.by_id.get(account.send_from or "")
    if target is None:
        return
    if target is placed:
        yield placed.finding("E306", "an account cannot send from itself; name another one or give smtp", "send_from")
    elif target.account.smtp is None:
        message = f"`{target.account.id}` has no smtp of its own; name an account that has"
        yield placed.finding("E306", message, "send_from")


def _named(
    placed: PlacedAccount, draft: Draft, key: str, name: str | None, wanted: AccountType | None
) -> Iterator[Finding]:
    if name is None:
        return
    target = draft.by_id.get(name)
    if target is None:
        close = get_close_matches(name, draft.by_id, n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        yield placed.finding("E306", f"no account `{name}` exists in {draft.unit}{hint}", key)
    elif wanted is not None and target.account.type is not wanted:
        message = f"`{name}` is of type {target.account.type.value}; `{key}` names one of type {wanted.value}"
        yield placed.finding("E306", message, key)


def sender_of(account: Account, draft: Draft) -> Account | None:
    """The account whose submission server carries this account's mail; None if it has none."""
    if account.smtp is not None:
        return account
    target = draft.by_id.get(account.send_from or "")
    return target.account if target is not None and target.account.smtp is not None else None


def _from_domain(placed: PlacedAccount, draft: Draft) -> Iterator[Finding]:
    """Whatever an account sends says From: its own address, so its sender must be allowed to send for that domain."""
    sender = sender_of(placed.account, draft)
    if sender is None or placed.account.domain in {sender.domain, *(d.lower() for d in sender.sends_for)}:
        return
    message = (
        f"mail From {placed.account.domain} would leave through `{sender.id}`, which has the domain {sender.domain}; "
        f"list {placed.account.domain} in its sends_for, if that server may send for it"
    )
    yield placed.finding("E308", message, "send_from")
