"""Runs old and new rules over the stored mails, where the mails are, on all processors; changes nothing."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from reconciler.core.account import AccountType
from reconciler.core.correlation import Correlation, Outcome
from reconciler.core.decision import Context
from reconciler.core.kind import Kind, classify
from reconciler.core.message import Body, Head, Message, parse, parse_head
from reconciler.core.replay import Moved, Replayed, RuleSets, asked, changed, decided, together
from reconciler.core.routing import decide, facts_from
from reconciler.core.rule_match import book_of
from reconciler.store.database import Store, open_store
from reconciler.store.replay import Replayable, candidates, read_mails

_CHUNK = 500
_FEWEST_FOR_PROCESSES = 4_000
"""Starting processes takes as long as replaying this many mails."""

_UNCORRELATED = Correlation(Outcome.NONE, None, None, None, None, None, False, None, None, ())


@dataclass(frozen=True, slots=True)
class Job:
    """What is compared: `full` reads each mail whole and decides it anew, otherwise only the rules are asked again."""

    before: RuleSets
    after: RuleSets
    full: bool = False


def replay(
    store: Store,
    state_url: str,
    job: Job,
    since: datetime | None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Replayed:
    """Replay the mails of the tenants whose rules differ (with `full` of all in both sets) that came since then."""
    tenants = frozenset(job.before.keys() & job.after.keys()) if job.full else changed(job.before, job.after)
    with store.read() as connection:
        ids = candidates(connection, tenants, since) if tenants else []
    chunks = [(ids[at], ids[min(at + _CHUNK, len(ids)) - 1]) for at in range(0, len(ids), _CHUNK)]
    narrowed = Job({t: job.before[t] for t in tenants}, {t: job.after[t] for t in tenants}, job.full)
    found = []
    for number, part in enumerate(_parts(store, state_url, narrowed, chunks, len(ids)), 1):
        found.append(part)
        progress(min(number * _CHUNK, len(ids)), len(ids))
    return together(found)


def _parts(
    store: Store, state_url: str, job: Job, chunks: Sequence[tuple[int, int]], number: int
) -> Iterator[Replayed]:
    processes = min(os.cpu_count() or 1, 8)
    if number < _FEWEST_FOR_PROCESSES or processes < 2:
        yield from (_replay_chunk(store, job, chunk) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(state_url, job)) as pool:
        yield from pool.map(_in_process, chunks)


_working: tuple[Store, Job] | None = None


def _begin(state_url: str, job: Job) -> None:
    global _working
    _working = (open_store(state_url), job)


def _in_process(chunk: tuple[int, int]) -> Replayed:
    assert _working is not None
    return _replay_chunk(*_working, chunk)


def _replay_chunk(store: Store, job: Job, chunk: tuple[int, int]) -> Replayed:
    moved: list[Moved] = []
    mails = unreadable = 0
    with store.read() as connection:
        for mail in read_mails(connection, *chunk, job.before.keys()):
            mails += 1
            try:
                found = _replay_mail(job, mail)
            except Exception:  # One mail that cannot be read hides no other; how many there were is told.
                unreadable += 1
                continue
            moved += [found] if found is not None else []
    return Replayed(mails, unreadable, tuple(moved))


class _Unread:
    """A mail whose body is parsed when somebody asks for it."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def head(self) -> Head:
        return parse_head(self.raw)

    @cached_property
    def message(self) -> Message:
        return parse(self.raw)

    def body(self) -> Body:
        return self.message.body


def _replay_mail(job: Job, mail: Replayable) -> Moved | None:
    read = _Unread(mail.raw)
    both = (job.before[mail.tenant], job.after[mail.tenant])
    if job.full:
        classification = classify(read.message)
        contexts = (
            Context(mail.tenant, mail.account, AccountType(mail.account_type), lambda _: False, rules=book_of(rules))
            for rules in both
        )
        decisions = [decide(read.message, mail.size, classification, _UNCORRELATED, context) for context in contexts]
        (before, rule_before), (after, rule_after) = map(decided, decisions)
    else:
        facts = facts_from(read.head, read.body, mail.size, Kind(mail.kind), mail.account)
        (before, rule_before), (after, rule_after) = (asked(rules, facts) for rules in both)
    if before == after:
        return None
    sender = read.head.sender.address if read.head.sender else ""
    return Moved(mail.id, mail.tenant, mail.account, sender, read.head.subject, before, after, rule_before, rule_after)
