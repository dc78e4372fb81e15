"""Where a mail goes under one set of rules and under another, and which mails move; reads no mail itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.decision import Action, Decision
from reconciler.core.rule import Rule, Then
from reconciler.core.rule_match import Facts, Verdict, book_of

RuleSets = Mapping[str, Sequence[Rule]]
"""The rules of each tenant."""

MOST_SAMPLES = 5
"""Mails shown of each move."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A mail that goes elsewhere: `before` and `after` in words, and the rules that say so (None: no rule)."""

    mail_id: int
    tenant: str
    account: str
    sender: str
    subject: str
    before: str
    after: str
    rule_before: str | None
    rule_after: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found: mails that rules were asked about, mails that could not be read, and the moved ones."""

    mails: int
    unreadable: int
    moved: tuple[Moved, ...]

    def counts(self) -> list[tuple[str, str, str, int]]:
        """(tenant, from, to, mails), the most first."""
        found = Counter((m.tenant, m.before, m.after) for m in self.moved)
        return sorted(((*move, number) for move, number in found.items()), key=lambda row: (-row[3], row))

    def samples(self) -> list[Moved]:
        """A few mails of each move, the oldest."""
        shown: Counter[tuple[str, str, str]] = Counter()
        kept = []
        for moved in sorted(self.moved, key=lambda m: m.mail_id):
            move = (moved.tenant, moved.before, moved.after)
            if shown[move] < MOST_SAMPLES:
                kept.append(moved)
            shown[move] += 1
        return kept


def together(parts: Iterable[Replayed]) -> Replayed:
    """Several replays as one."""
    found = list(parts)
    moved = sorted((m for part in found for m in part.moved), key=lambda m: m.mail_id)
    return Replayed(sum(p.mails for p in found), sum(p.unreadable for p in found), tuple(moved))


def changed(before: RuleSets, after: RuleSets) -> frozenset[str]:
    """The tenants of both sets whose rules differ: nobody else's mails can move."""
    return frozenset(unit for unit in before.keys() & after.keys() if tuple(before[unit]) != tuple(after[unit]))


def asked(rules: Sequence[Rule], facts: Facts) -> tuple[str, str | None]:
    """Where the rules send the mail, in words, and the rule that says so."""
    verdict: Verdict = book_of(rules).first_match(facts)
    then = verdict.rule.then if verdict.rule is not None else Then()
    return place(then), verdict.rule.id if verdict.rule else None


def decided(decision: Decision) -> tuple[str, str | None]:
    """Where a decision sends the mail, in words, and the rule it followed."""
    if decision.action in (Action.OPEN_CASE, Action.DISCARD) or decision.rule is not None:
        return place(decision.then), decision.rule
    reason = f" ({decision.reason.value})" if decision.reason is not None else ""
    return f"{decision.action.value}{reason}", None


def place(then: Then) -> str:
    """What a rule does, in words that are equal for rules that do the same."""
    if then.discard:
        return "discarded"
    if then.hold:
        return "held"
    said = [f"queue {then.queue}" if then.queue else "no queue"]
    said += [f"agent {then.agent}"] if then.agent else []
    said += [f"tags {' '.join(then.tags)}"] if then.tags else []
    said += [f"priority {then.priority.value}"] if then.priority else []
    said += [f"notify {' '.join(then.notify)}"] if then.notify else []
    said += [f"{then.refer.kind.value} to {' '.join(then.refer.to)}"] if then.refer else []
    return ", ".join(said)
