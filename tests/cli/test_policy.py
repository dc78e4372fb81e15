"""`--policy FILE`: what it forbids is a finding, a broken one stops everything, and it alone lets a redirect pass."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Reconciler
from tests.folders import Folder, system
from tests.states import account

MOVED = account("a", imap={"host": "new.acme.example"})
TLS = {"security": "tls", "min_tls": "1.2", "trust": None}
UNLOCK = {"account": "acme/a", "from": "mail.acme.example:993", "to": "new.acme.example:993"}


def written(tmp_path: Path, **keys: Any) -> tuple[str, str]:
    path = tmp_path / "policy.yaml"
    path.write_text(json.dumps({"version": 1, **keys}, indent=1), encoding="utf-8")
    return "--policy", str(path)


def move(folder: Folder) -> None:
    folder.write("acme", MOVED, account("b"), system("reply"))


@pytest.mark.field("redirect")
@pytest.mark.field("redirect")
def test_a_redirect_blocks_the_tenant_until_the_policy_lets_it_pass(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    reconciler("apply")
    move(folder)
    planned = reconciler("plan", "--format", "json")
    (tenant,) = planned.json["tenants"]
    assert (planned.code, tenant["changes"][0]["consequence"]) == (3, "redirect")
    assert tenant["changes"][0]["redirects"] == [
        {
            "secret": "a-imap",
            "from": [{"host": "mail.acme.example", "port": 993, "username": "a", **TLS}],
            "to": {"host": "new.acme.example", "port": 993, "username": "a", **TLS},
            "unlocked": False,
        }
    ]
    assert "would send the secret a-imap" in reconciler("plan").out
    assert reconciler("ack", tenant["digest"], "--reason", "let it pass").code == 0
    blocked = reconciler("apply", "--format", "json")
    (outcome,) = (t for t in blocked.json["tenants"] if t["tenant"] == "acme")
    assert (blocked.code, outcome["result"]) == (3, "blocked")
    assert outcome["reason"].startswith("redirect: acme/a would send the secret a-imap, which is bound to ")
    permitted = written(tmp_path, redirects=[UNLOCK])
    assert reconciler("plan", *permitted).code == 0
    assert reconciler("apply", *permitted).code == 0
    assert reconciler("plan", "--exit-code").code == 0


def test_once_moved_a_secret_is_bound_to_the_new_server_alone(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    reconciler("apply")
    move(folder)
    reconciler("apply", *written(tmp_path, redirects=[UNLOCK]))
    folder.write("acme", account("a"), account("b"), system("reply"))
    assert reconciler("apply", *written(tmp_path, redirects=[UNLOCK])).code == 3


def test_a_secret_stays_bound_when_its_account_is_gone(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.write("acme", account("b"), system("reply"))
    assert reconciler("apply").code == 0
    folder.write("acme", account("b"), system("reply"), MOVED)
    assert reconciler("apply").code == 3


def test_a_store_from_before_bindings_binds_what_runs(reconciler: Reconciler, folder: Folder, tmp_path: Path) -> None:
    reconciler("apply")
    folder.write("acme", account("b"), system("reply"))
    reconciler("apply")
    with sqlite3.connect(tmp_path / ".reconciler/state.db") as state:
        state.execute("DELETE FROM bindings WHERE secret = 'b-imap'")
    folder.write("acme", account("b", imap={"host": "new.acme.example"}), system("reply"))
    assert reconciler("apply").code == 3


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        pytest.param({"hosts": {"allow": ["*.other.example"]}}, "E401", id="host"),
        pytest.param({"tls": {"floor": "tls"}}, "E402", id="TLS"),
        pytest.param({"limits": {"accounts": 2}}, "E403", id="accounts"),
        pytest.param({"limits": {"weight": 2}}, "E403", id="weight"),
        pytest.param({"limits": {"poll": "2m"}}, "E403", id="poll"),
    ],
)
def test_what_the_policy_does_not_allow_is_a_finding_and_holds_the_tenant(
    reconciler: Reconciler, folder: Folder, tmp_path: Path, keys: dict[str, Any], found: str
) -> None:
    folder.write("acme", account("a", imap={"security": "starttls"}), account("b"), system("reply"))
    assert reconciler("validate").code == 0
    answer = reconciler("validate", *written(tmp_path, **keys), "--format", "json")
    assert answer.code == 1
    assert found in {f["code"] for f in answer.json["findings"] if f["file"] == "acme.yaml" and f["line"] > 1}


def test_plain_connections_need_the_policys_leave(reconciler: Reconciler, folder: Folder, tmp_path: Path) -> None:
    folder.write("acme", account("a", imap={"security": "none"}), account("b"), system("reply"))
    assert "E309" in reconciler("validate").out
    assert reconciler("validate", *written(tmp_path, tls={"plain": ["mail.acme.example"]})).code == 0


def test_the_guards_numbers_come_from_the_policy(reconciler: Reconciler, folder: Folder, tmp_path: Path) -> None:
    reconciler("apply")
    folder.write("acme", account("a"), system("reply"))
    assert reconciler("plan").code == 0
    strict = written(tmp_path, guards={"tenant_accounts": 0})
    assert "more than 0 accounts or 25 % of the tenant's would retire" in reconciler("plan", *strict).out
    assert reconciler("apply", *strict).code == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "policy.yaml:1:1: error E411", id="missing"),
        pytest.param("{", "E411", id="no YAML"),
        pytest.param("version: 1\nversion: 1\n", "policy.yaml:2:1: error E411", id="a key twice"),
        pytest.param("", "E411", id="empty"),
        pytest.param("version: 1\nhost: {}\n", "policy.yaml:2:1: error E412", id="unknown key"),
        pytest.param("version: 1\nguards:\n  tenant_percent: 101\n", "policy.yaml:3:19: error E413", id="wrong value"),
        pytest.param("version: 2\n", "E413", id="version"),
        pytest.param("version: 1\nhosts: {allow: ['*']}\n", "E413", id="too wide a pattern"),
        pytest.param("version: 1\nredirects: [{account: acme/a, from: h, to: h}]\n", "E413", id="no port"),
    ],
)
def test_a_policy_that_cannot_be_used_stops_everything(
    reconciler: Reconciler, folder: Folder, tmp_path: Path, text: str | None, said: str
) -> None:
    reconciler("apply")
    folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    path = tmp_path / "policy.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert said in reconciler("validate", "--policy", str(path)).out
    for command in ("plan", "apply"):
        answer = reconciler(command, "--policy", str(path))
        assert (answer.code, answer.out) == (1, "")
        assert "the policy cannot be used, so nothing is changed" in answer.err
    assert len(reconciler("history", "--format", "json").json["tenants"]) == 2


def test_the_token_keys_are_no_password(reconciler: Reconciler, folder: Folder) -> None:
    folder.write(
        "main",
        system("main-reply", imap={"password": {"secret": "token-keys"}}),
        system("main-second", "second-level-reply"),
    )
    assert "main.yaml:" in reconciler("validate").out
    assert "E319" in reconciler("validate").out
