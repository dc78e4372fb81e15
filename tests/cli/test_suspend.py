"""`reconciler suspend`, `resume`, `suspensions`: on the record, with an end, and shown until then."""

from __future__ import annotations

import pytest

from reconciler.cli.suspend import What
from reconciler.core.suspension import EVERYTHING, Activity
from tests.cli.conftest import Reconciler
from tests.folders import Folder, system
from tests.states import account


@pytest.fixture
def applied(reconciler: Reconciler, folder: Folder) -> Reconciler:
    assert reconciler("apply").code == 0
    return reconciler


def test_the_commands_words_are_the_activities() -> None:
    assert [what.value for what in What] == [activity.value for activity in Activity]


@pytest.mark.field("suspended")
def test_status_shows_first_what_is_suspended_until_when_by_whom_and_why(applied: Reconciler) -> None:
    done = applied("suspend", "fetching", "acme/a", "--reason", "server\x1b moves", "--for", "2h")
    assert (done.code, done.out.startswith("fetching of acme/a is suspended until 20")) == (0, True)
    answer = applied("status")
    first = answer.out.splitlines()[0]
    assert first.startswith("fetching of acme/a is suspended until 20")
    assert first.endswith(": server\\u{1b} moves")
    assert "serving, fetching suspended" in answer.out
    status = applied("status", "--format", "json").json
    assert {a["account"]: a["suspended"] for a in status["accounts"] if a["tenant"] == "acme"} == {
        "a": ["fetching"],
        "b": [],
        "reply": [],
    }
    assert [(s["activity"], s["target"], s["ended_at"]) for s in status["suspensions"]] == [
        ("fetching", "acme/a", None)
    ]


def test_the_history_outlives_it(applied: Reconciler) -> None:
    applied("suspend", "sending", EVERYTHING, "--reason", "mail storm")
    done = applied("resume", "sending", EVERYTHING, "--reason", "it is over")
    assert (done.code, done.out) == (0, "sending of all goes on\n")
    assert applied("suspensions").out == "nothing is suspended\n"
    (one,) = applied("suspensions", "--all", "--format", "json").json["suspensions"]
    assert (one["reason"], one["end_reason"], one["by"]) == ("mail storm", "it is over", one["ended_by"])
    assert "it is over" in applied("suspensions", "--all").out


def test_resuming_says_what_still_stops_it(applied: Reconciler) -> None:
    applied("suspend", "fetching", "acme", "--reason", "move")
    done = applied("resume", "fetching", "acme/a")
    first, second = done.out.splitlines()
    assert first == "fetching of acme/a was not suspended"
    assert second.startswith("but fetching of acme is suspended until ")
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["fetching", "acme/nobody", "--reason", "x"], 1, "no account acme/nobody is applied"),
        (["fetching", "nobody", "--reason", "x"], 1, "no tenant nobody is applied"),
        (["fetching", "acme", "--reason", " "], 64, "write why"),
        (["fetching", "acme"], 64, "--reason"),
        (["everything", "acme", "--reason", "x"], 64, "fetching"),
        (["fetching", "acme", "--reason", "x", "--for", "31d"], 1, "would be forgotten"),
        (["fetching", "acme", "--reason", "x", "--for", "1h", "--until", "2099-01-01"], 1, "exclude each other"),
        (["sending", "acme/a", "--reason", "x"], 1, "acme/a sends nothing"),
    ],
)
def test_bad_input_is_told_and_suspends_nothing(applied: Reconciler, arguments: list[str], code: int, why: str) -> None:
    answer = applied("suspend", *arguments)
    assert (answer.code, why in answer.err) == (code, True), answer.err
    assert applied("suspensions").out == "nothing is suspended\n"


def test_an_account_that_sends_through_another_names_it(applied: Reconciler, folder: Folder) -> None:
    folder.write("acme", account("a"), account("b", send_from="reply"), system("reply"))
    applied("apply")
    answer = applied("suspend", "sending", "acme/b", "--reason", "x")
    assert (answer.code, "sends through acme/reply; suspend that" in answer.err) == (1, True)


def test_without_an_applied_state_there_is_nothing_to_suspend(reconciler: Reconciler) -> None:
    assert reconciler("suspend", "fetching", "all", "--reason", "x").code == 78
