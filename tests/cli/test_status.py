"""`reconciler status`: two axes, and an exit code that says whether somebody has to look."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from reconciler.store.database import open_store
from reconciler.store.tables import accounts, health
from tests.cli.conftest import Reconciler
from tests.folders import Folder
from tests.states import NOW


def all_have(tmp_path: Path, condition: str) -> None:
    store = open_store(f"sqlite:///{tmp_path}/.reconciler/state.db")
    with store.write() as connection:
        for key in connection.execute(select(accounts.c.key)).scalars().all():
            connection.execute(
                insert(health).values(
                    account_key=key, condition=condition, reason="so\x1b", since=NOW, succeeded_at=NOW, backlog=2
                )
            )
    store.close()


def test_a_fresh_state_is_synced_and_of_unknown_health(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    answer = reconciler("status", "--format", "json")
    assert answer.code == 4
    assert {(t["tenant"], t["sync"], t["revision"]) for t in answer.json["tenants"]} == {
        ("acme", "Synced", 2),
        ("main", "Synced", 1),
    }
    assert {(a["condition"], a["rate"], a["next_step"]) for a in answer.json["accounts"]} == {("Unknown", None, None)}


@pytest.mark.parametrize(("condition", "code"), [("Ok", 0), ("AuthFailed", 4)])
def test_the_exit_code_tells_whether_all_is_well(
    reconciler: Reconciler, folder: Folder, tmp_path: Path, condition: str, code: int
) -> None:
    reconciler("apply")
    all_have(tmp_path, condition)
    answer = reconciler("status", "--format", "json")
    assert answer.code == code
    assert answer.json["accounts"][0] == {
        "tenant": "acme",
        "account": "a",
        "type": "inbound",
        "enabled": True,
        "status": "serving",
        "condition": condition,
        "reason": "so\x1b",
        "since": "2026-03-01T12:00:00Z",
        "last_success": "2026-03-01T12:00:00Z",
        "backlog": 2,
        "rate": 0.0,
        "next_step": None,
        "sending": None,
        "suspended": [],
    }


def test_a_held_tenant_is_degraded_and_says_why_beside_the_revision_that_runs(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    reconciler("apply")
    all_have(tmp_path, "Ok")
    folder.write_text("acme", "{")
    reconciler("apply")
    answer = reconciler("status")
    assert answer.code == 4
    held = answer.out.splitlines()[0]
    assert held.startswith("acme  Held")
    assert "revision 2" in held
    assert "acme.yaml:" in held
    assert "\x1b" not in answer.out


def test_an_empty_store_is_not_set_up(reconciler: Reconciler, tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/.reconciler/state.db", create=True).close()
    assert reconciler("status").code == 78
