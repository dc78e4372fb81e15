"""`make bench-mail`: how fast mails are read, judged and decided, and what sample mails of every kind are taken for.

`python -m bench.mail [--mails 2000]`. Exit code 1 if a limit is not kept or a sample is taken for something else.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.mails import Workload, mails_of
from reconciler.core.account import AccountType, AnswerFrom
from reconciler.core.correlation import correlate
from reconciler.core.decision import Context, ReferralView
from reconciler.core.kind import classify
from reconciler.core.mail_kind import Kind
from reconciler.core.message import Address, Message, parse
from reconciler.core.quoting import without_quotes
from reconciler.core.referral import ReferralKind, ReferralState
from reconciler.core.routing import decide
from reconciler.core.rule import Rule
from reconciler.core.rule_match import RuleBook
from reconciler.core.token import Purpose, TokenKey, TokenRecord, find_tokens, signed_message_id
from tests.mails.samples import samples

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES, REFERENCES = 200, 5
EXPERT = "expert@firm.example"


@dataclass(frozen=True)
class Row:
    """One measured thing over many mails: seconds of each, and how many a second there should be at least."""

    what: str
    seconds: Sequence[float]
    least: float | None = None
    workers: int = 1

    @property
    def rate(self) -> float:
        """Mails a second."""
        return len(self.seconds) / sum(self.seconds)

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        middle, late = statistics.median(ordered) * 1e6, ordered[int(len(ordered) * 0.99)] * 1e6
        shares = f"{middle:,.0f} | {late:,.0f}" if self.workers == 1 else "– | –"
        rate = f"{self.rate:,.0f}"
        shown = f"**{rate}**" if self.least is not None and self.rate < self.least else rate
        return f"| {self.what} | {shown} | {f'{self.least:,.0f}' if self.least else '–'} | {shares} |"


def main() -> int:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mails", type=int, default=2000)
    mails = [raw for _, raw in mails_of(Workload("mail", 10, options.parse_args().mails // 10), "<m@desk.example>")]
    size = sum(map(len, mails)) / len(mails)
    print(f"{len(mails):,} mails of {size / 1000:.1f} KB\n")
    print("| what | mails/s | at least | median µs | 99 % µs |\n|---|---|---|---|---|")
    rows = []
    for row in measured(mails):
        rows.append(row)
        print(row, flush=True)
    print(f"\n{(table := confusion())}")
    wrong = sum(count for (meant, found), count in table.counts.items() if meant != found)
    return 1 if wrong or any(row.least and row.rate < row.least for row in rows) else 0


def measured(mails: Sequence[bytes]) -> Sequence[Row]:
    """Every row."""
    parsed = [parse(raw) for raw in mails]
    texts = [message.body.text for message in parsed]
    return [
        Row("parse", each(parse, mails)),
        Row("kind", each(classify, parsed)),
        Row("quotes cut", each(without_quotes, texts)),
        deciding(),
        inspecting(mails),
    ]


def each(work: Callable[[Any], object], things: Sequence[Any]) -> list[float]:
    """The seconds that each thing takes."""
    taken = []
    for thing in things:
        began = time.perf_counter()
        work(thing)
        taken.append(time.perf_counter() - began)
    return taken


def deciding() -> Row:
    """Correlation by signed tokens and the decision: an expert's answers with five References, at 200 rules."""
    key = TokenKey("k2", bytes(range(32)))
    record = TokenRecord(1, "acme", Purpose.FORWARD, 5, 7, EXPERT, NOW + timedelta(days=1))
    ours = signed_message_id(key, record, hop=0, instance="desk", domain="acme.example")
    rules = [
        Rule.model_validate(
            {"id": f"r{n}", "when": {"subject": {"contains": f"[topic {n}]"}}, "then": {"queue": f"q{n}"}}
        )
        for n in range(RULES)
    ]
    customer = Address("", "c@home.example")
    view = ReferralView(
        7, ReferralKind.FORWARD, ReferralState.WAITING, Address("", EXPERT), customer, AnswerFrom.DOMAIN
    )
    context = Context("acme", "reply", AccountType.REPLY, lambda _address: False, RuleBook(rules), referral=view)

    def answer(number: int) -> tuple[Message, Any]:
        others = " ".join(f"<{number}.{n}@home.example>" for n in range(REFERENCES - 1))
        head = [f"From: {EXPERT}", "To: reply@acme.example", f"Subject: Re: [topic {number % RULES}] order {number}"]
        head += [f"In-Reply-To: {ours}", f"References: {others} {ours}"]
        message = parse("\r\n".join([*head, "", "It arrives on Tuesday.", ""]).encode())
        return message, classify(message)

    def decided(answered: tuple[Message, Any]) -> None:
        message, kind = answered
        found = correlate(find_tokens(message.head), {1: record}, {}, (key,), NOW, "acme")
        assert decide(message, 2_000, kind, found, context).action.value == "relay"

    return Row(
        f"decide ({RULES} rules, {REFERENCES} References, HMAC)", each(decided, [*map(answer, range(4000))]), 20_000
    )


def inspecting(mails: Sequence[bytes]) -> Row:
    """`reconciler inspect` over a folder, its start included, on all processors."""
    with tempfile.TemporaryDirectory(prefix="bench-mail-") as folder:
        for number, raw in enumerate(mails):
            Path(folder, f"{number:06}.eml").write_bytes(raw)
        command = [Path(sys.executable).parent / "reconciler", "inspect", folder, "--format", "ndjson"]
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        taken = time.perf_counter() - began
    return Row("`inspect`, whole command", [taken / len(mails)] * len(mails), 2_200, workers=2)


@dataclass(frozen=True)
class Confusion:
    """How many samples of each kind were taken for which."""

    counts: Counter[tuple[str, str]]
    others: Sequence[str]

    def __str__(self) -> str:
        kinds = [kind.value for kind in Kind]
        lines = [f"| meant \\ found | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
        for meant in kinds:
            row = (str(self.counts[meant, found] or "·") for found in kinds)
            lines.append(f"| {meant} | {' | '.join(row)} |")
        return "\n".join([*lines, *(f"\ntaken for another kind: {name}" for name in self.others)])


def confusion() -> Confusion:
    """What every sample is taken for."""
    counts: Counter[tuple[str, str]] = Counter()
    others = []
    for sample in samples():
        found = classify(parse(sample.raw)).kind.value
        counts[sample.kind, found] += 1
        if found != sample.kind:
            others.append(f"{sample.name}: {found}")
    return Confusion(counts, others)


if __name__ == "__main__":
    sys.exit(main())
