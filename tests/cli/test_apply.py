"""`reconciler apply`, `ack`, `history`: what an operator sees and gets."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.store.database import open_store
from reconciler.store.lease import Right, take
from tests.cli.conftest import Reconciler
from tests.folders import Folder, system
from tests.states import account


def test_a_first_apply_creates_the_store_and_says_a_line_per_unit(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    answer = reconciler("apply")
    assert answer.code == 0
    assert [line.split()[:2] for line in answer.out.splitlines()][:2] == [["main", "applied"], ["acme", "applied"]]
    assert (tmp_path / ".reconciler" / "state.db").stat().st_mode & 0o777 == 0o600


def test_applied_again_nothing_changes(reconciler: Reconciler, folder: Folder) -> None:
    first = reconciler("apply", "--format", "json").json["tenants"]
    again = reconciler("apply", "--format", "json").json["tenants"]
    assert [t["result"] for t in again] == ["unchanged", "unchanged"]
    assert [(t["revision"], t["digest"]) for t in again] == [(t["revision"], t["digest"]) for t in first]


def test_an_invalid_tenant_exits_1_and_the_others_are_applied(reconciler: Reconciler, folder: Folder) -> None:
    folder.write_text("globex", "{")
    answer = reconciler("apply", "--format", "json")
    assert answer.code == 1
    assert {t["tenant"]: t["result"] for t in answer.json["tenants"]} == {
        "main": "applied",
        "acme": "applied",
        "globex": "held",
    }


def test_a_guarded_tenant_is_applied_once_its_plan_is_acknowledged(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.remove("acme")
    blocked = reconciler("apply", "--format", "json")
    assert blocked.code == 3
    (digest,) = (t["plan"] for t in blocked.json["tenants"] if t["result"] == "blocked")
    assert reconciler("plan", "--format", "json").json["tenants"][0]["digest"] == digest
    assert reconciler("ack", digest, "--reason", "contract ended").code == 0
    assert reconciler("plan").code == 0
    applied = reconciler("apply", "--format", "json")
    assert (applied.code, applied.json["tenants"][-1]["result"]) == (0, "retired")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("abc", "--reason", "x"), "64 characters", id="no digest"),
        pytest.param(("a" * 64, "--reason", " "), "--reason", id="no reason"),
        pytest.param(("a" * 64,), "--reason", id="reason missing"),
    ],
)
def test_ack_takes_a_whole_digest_and_a_reason(
    reconciler: Reconciler, folder: Folder, arguments: tuple[str, ...], said: str
) -> None:
    reconciler("apply")
    answer = reconciler("ack", *arguments)
    assert answer.code == 64
    assert said in answer.err


@pytest.mark.parametrize("command", [("ack", "a" * 64, "--reason", "x"), ("history",), ("status",)])
def test_without_a_state_there_is_something_to_set_up(reconciler: Reconciler, command: tuple[str, ...]) -> None:
    answer = reconciler(*command)
    assert answer.code == 78
    assert "run: reconciler apply" in answer.err


def test_beside_another_writer_it_is_unavailable_and_names_it(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    reconciler("apply")
    store = open_store(f"sqlite:///{tmp_path}/.reconciler/state.db")
    with take(store, Right.APPLY, "run", datetime.now(UTC)):
        answer = reconciler("apply")
    store.close()
    assert answer.code == 75
    assert "run (pid " in answer.err


def test_without_main_file_nothing_is_applied(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.remove("main")
    folder.remove("acme")
    assert reconciler("apply").code == 75
    assert len(reconciler("history", "--format", "json").json["tenants"]) == 2


def test_the_history_is_of_all_or_of_one_tenant(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    reconciler("apply")
    everything = reconciler("history", "--format", "json").json["tenants"]
    assert [(t["revision"], t["tenant"], t["result"]) for t in everything] == [
        (3, "acme", "applied"),
        (2, "acme", "applied"),
        (1, "main", "applied"),
    ]
    assert [line.split()[0] for line in reconciler("history", "acme").out.splitlines()] == ["3", "2"]


def test_what_lies_between_two_revisions_is_shown_as_a_plan_shows_it(reconciler: Reconciler, folder: Folder) -> None:
    reconciler("apply")
    folder.write("acme", account("a", weight=9), system("reply"), name="Acme Ltd")
    reconciler("apply")
    folder.write("acme", account("a", weight=4), system("reply"), name="Acme Ltd")
    reconciler("apply")
    told = reconciler("history", "acme", "--diff", "2", "--to", "3", "--format", "json").json
    assert (told["tenant"], told["from"], told["to"]) == ("acme", 2, 3)
    assert [(c["op"], c["account"]) for c in told["changes"]] == [("update", None), ("update", "a"), ("retire", "b")]
    assert [(f["path"], f["old"], f["new"]) for f in told["changes"][1]["fields"]] == [("weight", 3, 9)]
    text = reconciler("history", "--diff", "2").out
    assert text.startswith("acme: from revision 2 (")
    assert "3 → 4" in text
    back = reconciler("history", "--diff", "3", "--to", "2").out
    assert "+ create b" in back
    assert "nothing differs" in reconciler("history", "--diff", "4").out


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--to", "2"], 64, "--to goes with --diff"),
        (["--diff", "99"], 1, "no revision 99"),
        (["main", "--diff", "2"], 1, "revision 2 is of acme"),
        (["--diff", "1", "--to", "2"], 1, "revision 2 is of acme, not of main"),
    ],
)
def test_revisions_that_cannot_be_compared_are_told(
    reconciler: Reconciler, folder: Folder, arguments: list[str], code: int, why: str
) -> None:
    reconciler("apply")
    answer = reconciler("history", *arguments)
    assert (answer.code, why in answer.err) == (code, True), answer.err
