"""How a plan looks: as JSON, its one model, and as text."""

from __future__ import annotations

import json

from reconciler.core.diff import diff
from reconciler.core.plan import Impact, Plan
from reconciler.core.revision import NOTHING_APPLIED
from reconciler.report.plan import plan_json, plan_text
from tests.states import NOW, account, applied, desired, slice_of

BEFORE = slice_of("acme", account("a"), account("b"), account("reply", "reply"))
AFTER = slice_of("acme", account("a", weight=9), account("b", imap={"after_fetch": "delete"}))


def made() -> Plan:
    impacts = {("acme", "reply"): Impact(open_cases=3, open_referrals=1, last_mail=NOW, backlog=2)}
    runs = applied(BEFORE)
    return diff(desired(AFTER, held=["globex"]), runs, impacts, has_secret=lambda u, n: n != "a-imap", state="db")


def test_the_json_form() -> None:
    document = json.loads(plan_json(made()))
    (tenant,) = document.pop("tenants")
    assert document == {
        "format_version": 1,
        "base": {"kind": "applied", "state": "db"},
        "target": {"source": "accounts.d", "commit": None},
        "counts": {"create": 0, "update": 2, "rename": 0, "retire": 1, "restore": 0, "adopt": 0},
        "held": ["globex"],
        "secrets_to_provide": ["acme/a-imap"],
    }
    assert (tenant["tenant"], len(tenant["digest"]), tenant["guards"]) == ("acme", 64, ["open-referrals"])
    assert tenant["changes"][0] == {
        "op": "update",
        "account": "a",
        "consequence": "reschedule",
        "fields": [{"path": "weight", "old": 3, "new": 9, "file": "acme.yaml", "line": 10, "column": 5}],
        "impact": None,
        "share": {"before": 0.3333, "after": 0.75},
        "serves": [],
        "redirects": [],
    }
    assert tenant["changes"][2] == {
        "op": "retire",
        "account": "reply",
        "consequence": "reroute",
        "fields": [],
        "impact": {
            "open_cases": 3,
            "open_referrals": 1,
            "last_mail": "2026-03-01T12:00:00Z",
            "backlog": 2,
            "left_behind": 0,
            "mails_taken_off": None,
        },
        "share": {"before": 0.3333, "after": 0.0},
        "serves": ["acme"],
        "redirects": [],
    }


def test_the_text_has_the_summary_first_and_what_destroys_before_the_rest() -> None:
    lines = [line.strip() for line in plan_text(made(), frozenset()).splitlines()]
    digest = made().tenants[0].digest
    assert lines == [
        "Plan for accounts.d: 2 to update, 1 to retire in 1 unit",
        "of these, 2 retire something or take mails off a server",
        "blocked: acme",
        "held by errors in their files, so left as they are: globex",
        "",
        "acme",
        "! open-referrals: an account that externals still have to answer to would retire, be disabled or move",
        f"! to let it pass: reconciler ack {digest} --reason TEXT",
        "! reroute: acme is served by nobody instead of acme/reply (reply)",
        "~ update b: destructive",
        'imap.after_fetch  "seen" → "delete"  acme.yaml:20:5',
        "- retire reply: reroute; 3 open cases, 1 open referrals, 2 mails waiting, last mail 2026-03-01T12:00:00Z",
        "~ update a: reschedule",
        "weight  3 → 9  acme.yaml:10:5",
        "",
        "Secrets to provide:",
        "acme/a-imap",
    ]


def test_an_acknowledged_plan_is_no_longer_shown_as_blocked() -> None:
    text = plan_text(made(), frozenset({made().tenants[0].digest}))
    assert "blocked" not in text
    assert "! acknowledged" in text


def test_values_from_files_cannot_reach_the_terminal_raw() -> None:
    evil = slice_of("acme", account("a", settings={"\x1b[2J\u202e": "\x9b31m\r\n+ create fake"}))
    text = plan_text(diff(desired(evil), NOTHING_APPLIED, {}, has_secret=lambda u, n: True), frozenset())
    assert not {"\x1b", "\x9b", "\r", "\u202e"} & set(text)
    assert not any(line.startswith("+ create fake") for line in text.splitlines())


def test_no_changes_are_said_in_one_line() -> None:
    found = diff(desired(BEFORE), applied(BEFORE), {}, has_secret=lambda u, n: True)
    assert plan_text(found, frozenset()) == "Plan for accounts.d: no changes\n"
