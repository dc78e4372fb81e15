"""Which account serves a tenant, and the reason given for it."""

from __future__ import annotations

import pytest

from reconciler.core.account import AccountType
from reconciler.core.revision import AppliedState
from reconciler.core.serving import serving
from tests.states import account, applied, slice_of

MAIN = slice_of("main", account("main-reply", "reply"), account("main-second", "second-level-reply"))


def state(*accounts: dict[str, object], draining: tuple[str, ...] = ()) -> AppliedState:
    return applied(MAIN, slice_of("acme", *accounts), draining=[("acme", id_) for id_ in draining])


@pytest.mark.parametrize(
    ("runs", "via", "expected", "why"),
    [
        pytest.param(
            state(account("r", "reply")),
            None,
            "acme/r",
            "acme/r is acme's only enabled account of type reply",
            id="own",
        ),
        pytest.param(
            state(account("in")),
            None,
            "main/main-reply",
            "acme has no enabled account of type reply, so the main account serves it",
            id="none",
        ),
        pytest.param(
            state(account("r", "reply", enabled=False)),
            None,
            "main/main-reply",
            "acme has no enabled account of type reply, so the main account serves it",
            id="disabled",
        ),
        pytest.param(
            state(account("r", "reply"), draining=("r",)),
            None,
            "main/main-reply",
            "acme has no enabled account of type reply, so the main account serves it",
            id="draining",
        ),
        pytest.param(
            state(account("r", "second-level-reply")),
            None,
            "main/main-reply",
            "acme has no enabled account of type reply, so the main account serves it",
            id="only of the other type",
        ),
        pytest.param(
            state(account("r", "reply"), account("s", "reply", default=True)),
            None,
            "acme/s",
            "acme/s is acme's default account of type reply",
            id="default",
        ),
        pytest.param(
            state(account("r", "reply"), account("s", "reply", default=True)),
            "r",
            "acme/r",
            "the inbound account names acme/r",
            id="via",
        ),
        pytest.param(
            state(account("r", "reply", enabled=False), account("s", "reply", default=True)),
            "r",
            "acme/s",
            "acme/r does not serve, and acme/s is acme's only enabled account of type reply",
            id="via is disabled",
        ),
        pytest.param(
            state(account("r", "reply"), account("s", "reply"), account("t", "reply", default=True, enabled=False)),
            None,
            "main/main-reply",
            "acme has none of its several accounts of type reply as default, so the main account serves it",
            id="default disabled, others unclear",
        ),
    ],
)
def test_who_serves_and_why(runs: AppliedState, via: str | None, expected: str, why: str) -> None:
    found = serving(runs, "acme", AccountType.REPLY, via)
    assert (found.account.label if found.account else None, found.why) == (expected, why)


def test_accounts_that_were_passed_over_are_named_with_their_reason() -> None:
    runs = state(account("r", "reply", enabled=False), account("s", "reply"), draining=("s",))
    assert serving(runs, "acme", AccountType.REPLY).rejected == ("acme/r: disabled", "acme/s: draining")


def test_another_tenants_account_never_serves() -> None:
    runs = applied(slice_of("globex", account("r", "reply")), slice_of("acme", account("in")))
    assert serving(runs, "acme", AccountType.REPLY, via="r").account is None


@pytest.mark.parametrize("tenant", ["nobody", "main"])
def test_what_is_no_tenant_is_not_served(tenant: str) -> None:
    found = serving(state(), tenant, AccountType.REPLY)
    assert (found.account, found.why) == (None, f"no tenant {tenant} is applied")


def test_a_retired_tenant_is_not_served() -> None:
    runs = applied(MAIN, slice_of("acme", account("r", "reply")), retired=[("acme", "r")], retired_units=["acme"])
    assert serving(runs, "acme", AccountType.REPLY).account is None


def test_inbound_accounts_serve_nobody() -> None:
    assert serving(state(account("in")), "acme", AccountType.INBOUND).account is None
