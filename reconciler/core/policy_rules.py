"""What the operators' policy says about one account and one unit; findings stand where the account is written."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from reconciler.core.binding import weaker
from reconciler.core.draft import Draft
from reconciler.core.finding import Finding
from reconciler.core.place import PlacedAccount, Pointer
from reconciler.core.policy import Policy
from reconciler.core.settings import PLAIN, Security, format_duration


def policy_findings(placed: PlacedAccount, policy: Policy) -> Iterator[Finding]:
    """Everything about the account that the policy does not allow."""
    for path, block in _servers(placed.account, ()):
        host = str(block.host)  # type: ignore[attr-defined]
        if not policy.allows_host(host):
            message = "the operators' policy does not list this host; use a listed one, or ask them to allow it"
            yield placed.finding("E401", message, *path, "host")
        yield from _tls(placed, path, block, policy.floor(host))
    yield from _limits(placed, policy)


def unit_policy_findings(draft: Draft, policy: Policy) -> Iterator[Finding]:
    """What the policy says about a unit as a whole."""
    most = policy.limits.accounts
    if most is not None and len(draft.accounts) > most:
        message = f"{len(draft.accounts)} accounts, the operators' policy allows {most}; remove some"
        yield draft.finding("E403", message, "accounts", key=True)


def _servers(model: BaseModel, path: Pointer) -> Iterator[tuple[Pointer, BaseModel]]:
    for name, value in model:
        if not isinstance(value, PLAIN) and isinstance(value, BaseModel):
            if isinstance(getattr(value, "host", None), str):
                yield (*path, name), value
            yield from _servers(value, (*path, name))


def _tls(placed: PlacedAccount, path: Pointer, block: BaseModel, floor: Security) -> Iterator[Finding]:
    security = getattr(block, "security", None)
    if not isinstance(security, Security) or not weaker(security, floor):
        return
    if floor is Security.STARTTLS:
        message = "without TLS the password and all mail are readable on the way; write tls or starttls"
        yield placed.finding("E309", message, *path, "security")
    else:
        message = "the operators' policy wants TLS from the first byte; write tls, or ask them to exempt the host"
        yield placed.finding("E402", message, *path, "security")


def _limits(placed: PlacedAccount, policy: Policy) -> Iterator[Finding]:
    account, most = placed.account, policy.limits.weight
    for key in ("weight", "send_weight"):
        if most is not None and getattr(account, key) > most:
            yield placed.finding("E403", f"the operators' policy allows {most} at most", key)
    if policy.too_short(account.poll) and policy.limits.poll is not None:
        least = format_duration(policy.limits.poll)
        yield placed.finding("E403", f"the operators' policy wants {least} at least", "poll")
