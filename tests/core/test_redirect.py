"""Secrets stay with the server they were first used with, however a change is dressed."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.binding import Destination
from reconciler.core.diff import diff
from reconciler.core.plan import TenantPlan
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.revision import AppliedState
from reconciler.core.settings import Consequence, Security
from tests.states import account, applied, desired, slice_of

HOME = Destination("mail.acme.example", 993, "a")
LOGIN = {"username": "a", "password": {"secret": "a-imap"}}
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SMTP = {"host": "mail.acme.example", **LOGIN}


def planned(runs: AppliedState, *after: dict[str, Any], policy: Policy = BUILT_IN) -> TenantPlan:
    found = diff(desired(slice_of("acme", *after)), runs, {}, has_secret=lambda u, n: True, policy=policy)
    return found.tenants[0]


def unlocking(**keys: Any) -> Policy:
    line = {"account": "acme/a", "from": "mail.acme.example:993", "to": "new.example:993", **keys}
    return Policy.model_validate({"version": 1, "redirects": [line]})


RUNS = applied(slice_of("acme", account("a"), account("b")))


@pytest.mark.field("redirect")
@pytest.mark.parametrize(
    "after",
    [
        pytest.param([account("a", imap={"host": "evil.example"})], id="another host"),
        pytest.param([account("a", imap={"port": 9993})], id="another port"),
        pytest.param([account("a", imap={"username": "c"})], id="another login name"),
        pytest.param([account("a", imap={"security": "starttls", "port": 993})], id="less TLS"),
        pytest.param([account("a", imap={"ca": CA})], id="another authority"),
        pytest.param([account("a", imap={"pin": ["sha256/" + "A" * 43 + "="]})], id="another pin"),
        pytest.param([account("a", smtp={**SMTP, "host": "evil.example"})], id="another server to send through"),
        pytest.param([account("a"), account("x", imap={**LOGIN, "host": "evil.example"})], id="a new account"),
        pytest.param([account("z", moved_from="a", imap={**LOGIN, "host": "evil.example"})], id="a renamed account"),
        pytest.param([account("x", imap={**LOGIN, "host": "evil.example"})], id="a new one instead of the old"),
        pytest.param([account("a", imap={"host": "evil.example"}, enabled=False)], id="a disabled account"),
        pytest.param([account("a", imap={"host": "evil.example", "after_fetch": "delete"})], id="beside what is worse"),
    ],
)
@pytest.mark.field("redirect")
def test_a_bound_secret_never_goes_elsewhere(after: list[dict[str, Any]]) -> None:
    tenant = planned(RUNS, *after, account("b"))
    assert [redirect.secret for _, redirect in tenant.locked] == ["a-imap"]
    assert tenant.blocked({tenant.digest}), "no acknowledgement lets it pass"
    (change,) = {change.account: change for change, _ in tenant.locked}.values()
    assert change.consequence in (Consequence.REDIRECT, Consequence.DESTRUCTIVE)
    assert any(field.consequence is Consequence.REDIRECT for field in change.fields)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(account("a", imap={"host": "new.example", "password": {"secret": "fresh"}}), id="a fresh secret"),
        pytest.param(account("a", imap={"host": "MAIL.acme.example"}), id="the same host"),
        pytest.param(account("a", imap={"port": 993}), id="the same port, written out"),
        pytest.param(account("a", smtp={"host": "relay.example"}), id="no login"),
        pytest.param(account("a", weight=9), id="something else"),
    ],
)
def test_what_sends_no_bound_secret_elsewhere_is_no_redirect(after: dict[str, Any]) -> None:
    assert planned(RUNS, after, account("b")).locked == ()


def test_more_tls_is_no_redirect_and_less_is_one() -> None:
    plain = account("a", imap={"port": 1143, "security": "starttls"})
    safe = account("a", imap={"port": 1143, "security": "tls"})
    assert planned(applied(slice_of("acme", plain)), safe).locked == ()
    assert planned(applied(slice_of("acme", safe)), plain).locked != ()


TOKENS = {"token_endpoint": "https://login.example/token", "client_id": "c", "refresh_token": {"secret": "a-imap"}}


def by_token(**keys: Any) -> dict[str, Any]:
    """Account a, logging in by access token."""
    oauth = {"oauth": TOKENS | keys.pop("oauth", {})}
    made = account("a", imap=oauth | keys)
    del made["imap"]["password"]
    return made


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(by_token(oauth={"token_endpoint": "https://evil.example/token"}), id="the issuer"),
        pytest.param(by_token(host="evil.example"), id="the server that is sent the token"),
    ],
)
def test_a_secret_for_tokens_is_bound_to_the_issuer_and_to_the_mail_server(after: dict[str, Any]) -> None:
    assert planned(applied(slice_of("acme", by_token())), after).locked


def test_a_lower_version_of_tls_is_a_redirect_and_a_higher_is_none() -> None:
    low, high = account("a", imap={"min_tls": "1.2"}), account("a", imap={"min_tls": "1.3"})
    assert planned(applied(slice_of("acme", high)), low).locked
    assert not planned(applied(slice_of("acme", low)), high).locked


@pytest.mark.field("redirect")
def test_a_binding_outlives_the_account_that_made_it() -> None:
    gone = AppliedState(RUNS.units, {}, frozenset(), {("acme", "a-imap"): frozenset({HOME})})
    assert planned(gone, account("x", imap={**LOGIN, "host": "evil.example"})).locked
    assert not planned(gone, account("x", imap=LOGIN)).locked


def test_another_tenants_secret_of_the_same_name_is_another_secret() -> None:
    other = AppliedState({}, {}, frozenset(), {("globex", "a-imap"): frozenset({HOME})})
    assert not planned(other, account("a", imap={"host": "new.example"})).locked


@pytest.mark.parametrize(
    ("policy", "unlocked"),
    [
        pytest.param(unlocking(), True, id="exactly"),
        pytest.param(unlocking(account="acme/*"), True, id="all of the tenant"),
        pytest.param(unlocking(account="*"), True, id="everybody"),
        pytest.param(unlocking(account="acme/b"), False, id="another account"),
        pytest.param(unlocking(account="globex/*"), False, id="another tenant"),
        pytest.param(unlocking(to="new.example:143"), False, id="another port"),
        pytest.param(unlocking(**{"from": "old.example:993"}), False, id="from elsewhere"),
        pytest.param(unlocking(username="a"), True, id="the login name"),
        pytest.param(unlocking(username="b"), False, id="another login name"),
        pytest.param(BUILT_IN, False, id="no policy"),
    ],
)
@pytest.mark.field("redirect")
def test_only_the_policys_line_for_it_lets_a_redirect_pass(policy: Policy, unlocked: bool) -> None:
    tenant = planned(RUNS, account("a", imap={"host": "new.example"}), account("b"), policy=policy)
    assert tenant.blocked(()) is not unlocked
    (redirect,) = (r for change in tenant.changes for r in change.redirects)
    assert (redirect.bound, redirect.to.host, redirect.unlocked) == ((HOME,), "new.example", unlocked)


def test_a_line_allows_less_tls_only_if_it_says_so() -> None:
    after = account("a", imap={"host": "new.example", "security": "starttls"})
    line = {"to": "new.example:143"}
    assert planned(RUNS, after, account("b"), policy=unlocking(**line)).locked
    assert not planned(RUNS, after, account("b"), policy=unlocking(**line, security="starttls")).locked


def test_the_digest_does_not_depend_on_the_policy_but_on_the_redirect() -> None:
    after = account("a", imap={"host": "new.example"})
    locked, unlocked = planned(RUNS, after, account("b")), planned(RUNS, after, account("b"), policy=unlocking())
    bound = {("acme", "a-imap"): frozenset({Destination("new.example", 993, "a", Security.TLS)})}
    free = planned(AppliedState(RUNS.units, RUNS.accounts, frozenset(), bound), after, account("b"))
    assert locked.digest == unlocked.digest != free.digest
