"""A plan as a comment: what matters first, nothing of a file as markup, and never too long to be posted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.core.diff import diff
from reconciler.core.finding import Finding
from reconciler.core.plan import Impact, Plan
from reconciler.core.revision import NOTHING_APPLIED, Slice
from reconciler.report.findings import Checked
from reconciler.report.markdown import code
from reconciler.report.plan_markdown import MARKER, MOST_CHARACTERS, plan_markdown
from reconciler.report.terminal import visible
from tests.states import NOW, account, applied, desired, slice_of

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
EVIL = "a`b``<img src=x onerror=alert(1)> @all #1 [x](http://evil.example) **b** | ~~c~~ $x$ :tada: \\"


def planned(after: list[Slice], before: list[Slice] = [], **more: Any) -> Plan:  # noqa: B006 (never changed)
    runs = applied(*before) if before else NOTHING_APPLIED
    impacts = more.pop("impacts", {})
    return diff(desired(*after, **more), runs, impacts, has_secret=lambda unit, name: False, state="sqlite:///db")


def shown(plan: Plan, acknowledged: frozenset[str] = frozenset(), findings: Sequence[Finding] = ()) -> str:
    text = plan_markdown(plan, acknowledged, Checked(1, 1, 1, findings, "accounts.d"))
    assert len(text) <= MOST_CHARACTERS
    return text


def tokens(text: str) -> list[Token]:
    return [inner for token in PARSER.parse(text) for inner in (token, *(token.children or ()))]


def test_the_whole_comment() -> None:
    before = slice_of("acme", account("a"), account("b"), account("reply", "reply"))
    after = slice_of("acme", account("a", weight=9), account("b", imap={"after_fetch": "delete"}))
    impacts = {("acme", "reply"): Impact(open_cases=3, last_mail=NOW, open_referrals=1)}
    plan = planned([after], [before], impacts=impacts, held=["globex"])
    digest = plan.tenants[0].digest
    assert shown(plan).splitlines() == [
        MARKER,
        "### Plan: 2 to update, 1 to retire in 1 unit",
        "",
        "- **2 of these retire something or take mails off a server.**",
        "- **Blocked:** `acme`",
        "- **Held by errors in their files**, so left as they are: `globex`",
        "",
        "#### `acme`: 2 to update, 1 to retire",
        "",
        "- **open-referrals**: an account that externals still have to answer to would retire, be disabled or move",
        f"- to let it pass: `reconciler ack {digest} --reason TEXT`",
        "- **reroute**: `acme` is served by `nobody` instead of `acme/reply` (reply)",
        "- **update** `b`: destructive",
        '  - `imap.after_fetch`: `"seen"` → `"delete"` (`acme.yaml:20`)',
        "- **retire** `reply`: reroute; 3 open cases, 1 open referrals, last mail 2026-03-01T12:00:00Z",
        "- update `a`: reschedule",
        "  - `weight`: `3` → `9` (`acme.yaml:10`)",
        "",
        "#### Secrets to provide",
        "",
        "- `acme/a-imap`",
        "- `acme/b-imap`",
    ]


def test_no_changes_and_nothing_applied_are_said() -> None:
    unit = slice_of("acme", account("a"))
    assert "### Plan: no changes\n" in shown(planned([unit], [unit]))
    assert "- no applied state at `sqlite:///db`: everything is new" in shown(planned([unit]))


def test_an_acknowledged_plan_is_not_blocked() -> None:
    plan = planned([slice_of("acme")], [slice_of("acme", account("a"))])
    digest = plan.tenants[0].digest
    assert "**Blocked:**" in shown(plan)
    text = shown(plan, frozenset({digest}))
    assert "**Blocked:**" not in text
    assert f"- acknowledged: `{digest}`" in text


@given(st.text(max_size=60) | st.text(alphabet="`| \\<a", max_size=12) | st.just(EVIL))
def test_a_code_span_holds_any_text(text: str) -> None:
    (_, inline, _) = PARSER.parse(f"x {code(text)} y")
    (before, span, after) = inline.children or ()
    assert (before.content, span.type, after.content) == ("x ", "code_inline", " y")
    assert span.content in (visible(text), f'"{visible(text)}"')


@given(st.text(min_size=1, max_size=40) | st.just(EVIL))
@pytest.mark.field("markup")
def test_nothing_of_a_file_is_markup(text: str) -> None:
    def types(value: str) -> list[str]:
        unit = slice_of(
            "acme",
            account("a", settings={value: value}, moved_from=None),
            templates={"reply": {"subject": value, "text": value}},
        )
        plan = planned([unit])
        return [token.type for token in tokens(shown(plan))]

    assert types(text) == types("plain")


@pytest.mark.field("markup")
def test_only_the_marker_is_html_and_there_are_no_links() -> None:
    unit = slice_of("acme", account("a", settings={EVIL: EVIL}))
    found = [t for t in tokens(shown(planned([unit], held=["x"]))) if "html" in t.type or "link" in t.type]
    assert [t.content.strip() for t in found] == [MARKER]


def many(units: int, accounts: int, **keys: Any) -> list[Slice]:
    return [slice_of(f"t{u}", *(account(f"a{a}", **keys) for a in range(accounts))) for u in range(units)]


def test_a_long_plan_leaves_out_keys_first() -> None:
    text = shown(planned(many(30, 10)))
    assert "the keys of changes are left out" in text
    assert text.count("- create `a9`") == 30
    assert "`imap.host`" not in text


def test_a_longer_one_keeps_counts_and_what_destroys() -> None:
    before = many(100, 20)
    after = [
        slice_of(
            f"t{u}",
            *(
                account(f"a{a}", weight=9, imap={"after_fetch": "delete" if (u, a) == (7, 7) else "seen"})
                for a in range(20)
            ),
        )
        for u in range(100)
    ]
    plan = planned(after, before)
    text = shown(plan)
    assert "only what removes or destroys is shown singly" in text
    assert "- **update** `a7`: destructive" in text
    assert "- and 19 more" in text
    assert all(unit.digest in text for unit in plan.tenants)


@pytest.mark.parametrize(("units", "accounts"), [(2_000, 2), (3, 2_000)], ids=["many units", "large units"])
def test_the_longest_show_what_waits_for_a_person_first(units: int, accounts: int) -> None:
    before = many(units, accounts)
    plan = planned([slice_of(s.unit) for s in before[1:]] + before[:1], before)
    text = shown(plan)
    guarded = [unit for unit in plan.tenants if unit.digest in text]
    assert guarded
    assert all(guard.value in text for unit in guarded for guard in unit.guards)
    assert "more units are not shown here" in text or len(guarded) == len(plan.tenants)
    assert "- **retire** `a0`" in text


def test_what_is_to_mend_stands_above_the_changes_errors_first() -> None:
    warning = Finding("acme.yaml", 1, 1, "", "W201", "the tenant has no account", "acme")
    error = Finding("b.yaml", 3, 5, "/x", "E201", "no key `x` exists here", "b")
    lines = shown(planned([slice_of("acme", account("a"))]), findings=[warning, error]).splitlines()
    at = lines.index("#### To mend: 1 error, 1 warning")
    assert lines[at + 2 : at + 5] == [
        "- `accounts.d/b.yaml:3:5` error E201: ``no key `x` exists here``",
        "- `accounts.d/acme.yaml:1:1` warning W201: `the tenant has no account`",
        "",
    ]
    assert any(line.startswith("#### `acme`") for line in lines[at:])


def test_ten_thousand_findings_do_not_push_the_plan_out() -> None:
    evil = Finding("x" * 200, 1, 1, "", "E201", "`|<" * 200)
    plan = planned(many(30, 10))
    text = shown(plan, findings=[evil] * 10_000)
    assert "- and 9" in text
    assert "### Plan: 330 to create" in text
    assert all(unit.digest in text for unit in plan.tenants)
