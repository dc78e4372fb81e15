"""Rules: what their matchers hold for, how not and any combine, what RE2 refuses, and what `tests:` report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.kind import Kind
from reconciler.core.language import Language
from reconciler.core.rule import Rule, RuleTest, When
from reconciler.core.rule_match import Facts, RuleBook, first_match, run_test


def facts(**other: Any) -> Facts:
    known: dict[str, Any] = {
        "account": "support",
        "sender": "Jo Customer <jo@customer.example>",
        "recipients": ("support@acme.example", "sales@acme.example"),
        "subject": "Invoice 7 for May",
        "headers": (("x-shop", "north"), ("received", "one"), ("received", "two")),
        "size": 2_000,
        "kind": Kind.HUMAN,
        "language": lambda: Language.EN,
        "body": lambda: "The straße is closed.\nPlease help.",
        "attachments": lambda: ("invoice.PDF", "photo.png"),
    }
    return Facts(**known | other)


def rule(when: Any, then: Any = None, rule_id: str = "r") -> Rule:
    return Rule.model_validate({"id": rule_id, "when": when, "then": then or {}})


def holds(when: Any, **other: Any) -> bool:
    rules, known = [rule({"account": "other"}, rule_id="before"), rule(when)], facts(**other)
    found = first_match(rules, known)
    assert RuleBook(rules).first_match(known) == found
    return found.rule is not None


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        pytest.param({}, True, id="nothing asked"),
        pytest.param({"account": "support"}, True, id="account"),
        pytest.param({"account": ["sales", "support"]}, True, id="one of the accounts"),
        pytest.param({"account": "sales"}, False, id="other account"),
        pytest.param({"language": "en"}, True, id="language"),
        pytest.param({"language": ["de", "fr"]}, False, id="other language"),
        pytest.param({"all": {"language": "en", "subject": {"contains": "may"}}}, True, id="all"),
        pytest.param(
            {"any": {"all": {"language": "en", "account": "no"}, "size": {"over": 9}}}, True, id="any with all"
        ),
        pytest.param({"not": {"all": {"language": "en", "account": "no"}}}, True, id="not all"),
        pytest.param({"from": {"contains": "JO@customer"}}, True, id="from, any case"),
        pytest.param({"from": {"contains": "jo customer"}}, True, id="from, the name"),
        pytest.param({"from": {"ends": "@customer.example"}}, False, id="from ends with a bracket"),
        pytest.param({"to": {"equals": "sales@acme.example"}}, True, id="to, any of them"),
        pytest.param({"to": {"starts": "sales"}}, True, id="to starts"),
        pytest.param({"to": {"equals": "sales"}}, False, id="to, not all of it"),
        pytest.param({"subject": {"contains": "invoice"}}, True, id="subject contains"),
        pytest.param({"subject": {"contains": ["bill", "invoice"]}}, True, id="subject, one of the words"),
        pytest.param({"subject": {"starts": "invoice", "ends": "may"}}, True, id="subject, all of the keys"),
        pytest.param({"subject": {"starts": "invoice", "ends": "june"}}, False, id="subject, not all of the keys"),
        pytest.param({"subject": {"matches": r"\binvoice\s+[0-9]+"}}, True, id="subject matches"),
        pytest.param({"subject": {"matches": r"^invoice$"}}, False, id="subject does not match"),
        pytest.param({"header": {"X-Shop": {"equals": "north"}}}, True, id="header, any case of its name"),
        pytest.param({"header": {"Received": {"equals": "two"}}}, True, id="header, any of several"),
        pytest.param({"header": {"X-None": {"contains": "x"}}}, False, id="header that is not there"),
        pytest.param({"body": {"contains": "STRASSE"}}, True, id="body, case as Unicode folds it"),
        pytest.param({"body": {"matches": "closed.*help"}}, False, id="a dot ends at the line"),
        pytest.param({"body": {"matches": "(?s)closed.*help"}}, True, id="a dot that does not"),
        pytest.param({"size": {"over": 1_999}}, True, id="over"),
        pytest.param({"size": {"over": 2_000}}, False, id="not over its own size"),
        pytest.param({"size": {"under": 2_000}}, False, id="not under its own size"),
        pytest.param({"size": {"over": 1_000, "under": 3_000}}, True, id="between"),
        pytest.param({"attachment": {"ends": ".pdf"}}, True, id="attachment, any of them"),
        pytest.param({"attachment": {"ends": ".exe"}}, False, id="no such attachment"),
        pytest.param({"kind": "human"}, True, id="kind"),
        pytest.param({"kind": ["list", "bulk"]}, False, id="other kinds"),
        pytest.param({"account": "support", "subject": {"contains": "parcel"}}, False, id="all keys of a map"),
        pytest.param({"any": {"account": "sales", "subject": {"contains": "invoice"}}}, True, id="any: one holds"),
        pytest.param({"any": {"account": "sales", "subject": {"contains": "parcel"}}}, False, id="any: none holds"),
        pytest.param({"any": {}}, False, id="any of nothing"),
        pytest.param({"not": {"account": "sales"}}, True, id="not"),
        pytest.param({"not": {"account": "support", "subject": {"contains": "parcel"}}}, True, id="not all of a map"),
        pytest.param(
            {"not": {"account": "support", "subject": {"contains": "invoice"}}}, False, id="not, but all hold"
        ),
        pytest.param({"not": {"any": {"account": "sales", "kind": "human"}}}, False, id="neither nor, but one holds"),
        pytest.param({"not": {"any": {"account": "sales", "kind": "list"}}}, True, id="neither nor"),
        pytest.param({"not": {"not": {"account": "support"}}}, True, id="not not"),
    ],
)
def test_a_rule_holds(when: Any, expected: bool) -> None:
    assert holds(when) is expected


def test_the_first_match_wins_and_the_missed_are_named() -> None:
    rules = [
        rule({"subject": {"contains": "parcel"}}, rule_id="parcels"),
        rule({"subject": {"contains": "invoice"}}, rule_id="invoices"),
        rule({}, rule_id="rest"),
    ]
    verdict = first_match(rules, facts())
    assert (verdict.rule, verdict.missed) == (rules[1], ("parcels",))
    assert first_match(rules[:1], facts()).missed == ("parcels",)


def test_the_body_is_read_only_if_all_else_holds() -> None:
    def unread() -> Any:
        raise AssertionError("was read")

    lazy = facts(body=unread, attachments=unread)
    asked = {"subject": {"contains": "parcel"}, "body": {"contains": "x"}, "attachment": {"contains": "x"}}
    assert first_match([rule(asked)], lazy).rule is None


@pytest.mark.parametrize(
    "pattern",
    [r"(?=x)", r"(?!x)", r"(?<=x)y", r"(x)\1", r"(?>x)", "(", "x{2000}"],
    ids=["look-ahead", "negative look-ahead", "look-behind", "back-reference", "atomic", "unclosed", "too many"],
)
def test_what_re2_does_not_take_is_refused_in_words(pattern: str) -> None:
    with pytest.raises(ValidationError, match="not a regular expression that RE2 takes"):
        When.model_validate({"body": {"matches": pattern}})


@pytest.mark.parametrize(
    "when",
    [
        {"subject": {"contains": []}},
        {"subject": {"contains": ""}},
        {"subject": {"matches": "x" * 501}},
        {"subject": {"like": "x"}},
        {"subject": "invoice"},
        {"header": {"X Shop": {"contains": "x"}}},
        {"size": {"over": "10"}},
        {"kind": "person"},
        {"sender": {"contains": "x"}},
    ],
    ids=[
        "no words",
        "empty word",
        "long pattern",
        "unknown key",
        "bare text",
        "bad header",
        "text size",
        "kind",
        "key",
    ],
)
def test_what_is_no_matcher_is_refused(when: Any) -> None:
    with pytest.raises(ValidationError):
        When.model_validate(when)


def test_a_pattern_that_backtracks_elsewhere_is_quick_here() -> None:
    started = time.monotonic()
    assert not holds({"body": {"matches": "^(a+)+$"}}, body=lambda: "a" * 50_000 + "b")
    assert time.monotonic() - started < 5


def test_a_nul_in_a_mail_hides_nothing() -> None:
    assert holds({"body": {"matches": "secret"}}, body=lambda: "se\x00cret")


@pytest.mark.parametrize(
    ("when", "conditions"),
    [({}, 1), ({"subject": {"contains": ["a", "b"]}}, 3), ({"not": {"any": {"body": {"matches": "x"}}}}, 4)],
)
def test_the_work_of_a_rule_is_counted(when: Any, conditions: int) -> None:
    assert When.model_validate(when).conditions == conditions


RULES = [
    rule(
        {"account": "support", "subject": {"contains": "invoice"}},
        {"queue": "billing", "tags": ["invoice"]},
        "invoices",
    ),
    rule({"kind": "notification"}, {"discard": True}, "noise"),
    rule({"attachment": {"ends": ".exe"}}, {"hold": True, "priority": "high"}, "programs"),
]


def outcome(mail: Any, expect: Any, rules: Sequence[Rule] = RULES) -> str | None:
    test = RuleTest.model_validate({"name": "t", "mail": {"account": "support", **mail}, "expect": expect})
    return run_test(rules, test)


@pytest.mark.parametrize(
    ("mail", "expect"),
    [
        ({"subject": "Invoice 7"}, {"rule": "invoices", "queue": "billing", "tags": ["invoice"]}),
        ({"subject": "Invoice 7"}, {}),
        ({"subject": "My parcel"}, {"rule": "none"}),
        ({"kind": "notification"}, {"discard": True, "hold": False}),
        ({"attachment": "run.exe"}, {"rule": "programs", "priority": "high", "hold": True}),
        ({"header": {"X-Shop": "north"}}, {"rule": "none"}),
    ],
    ids=["rule", "nothing checked", "none", "kind", "attachment", "header"],
)
def test_a_rule_test_that_agrees_says_nothing(mail: Any, expect: Any) -> None:
    assert outcome(mail, expect) is None


@pytest.mark.parametrize(
    ("mail", "expect", "said"),
    [
        ({"subject": "Invoice 7"}, {"rule": "none"}, "expected rule none, the rules give invoices (rule: invoices)"),
        ({"subject": "x"}, {"rule": "invoices"}, "expected rule invoices, the rules give none (rule: none)"),
        (
            {"subject": "Invoice 7"},
            {"queue": "sales"},
            "expected queue sales, the rules give billing (rule: invoices)",
        ),
        (
            {"subject": "Invoice 7"},
            {"tags": ["bill"]},
            "expected tags [bill], the rules give [invoice] (rule: invoices)",
        ),
        ({"attachment": "a.exe"}, {"priority": "low"}, "expected priority low, the rules give high (rule: programs)"),
    ],
    ids=["rule", "no rule", "queue", "tags", "priority"],
)
def test_a_rule_test_that_disagrees_says_what_the_rules_do(mail: Any, expect: Any, said: str) -> None:
    assert outcome(mail, expect) == said
