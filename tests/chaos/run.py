"""The kill campaign: mails flow, the program is killed at every named point, and in the end everything is counted."""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos.census import Census, take_census
from tests.chaos.killing import MORE, OUTSIDE, POINTS, Killer, schedule
from tests.chaos.mailboxes import FULL, Layout, apply_layout
from tests.chaos.traffic import Traffic
from tests.rig.certificate import make_certificate
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.world import World

FULL_KILLS, FULL_LEAST = 1000, 20

_STILL_SECONDS = 60.0
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Campaign:
    """What to do: everything that is drawn comes from the seed."""

    seed: int
    kills: int
    mails: int
    layout: Layout = field(default_factory=lambda: FULL)

    @property
    def least(self) -> int:
        """How often each named point must be died at."""
        return FULL_LEAST if self.kills >= FULL_KILLS else 1


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; `failures` says why it is not good, empty if it is. `recount` takes the census once more."""

    died: Counter[str]
    census: Census
    failures: list[str]
    recount: Callable[[], Census]


def run(campaign: Campaign, world: World, tell: Callable[[str], None] = lambda text: None) -> Result:
    """Apply the accounts, let mails flow and kill, then run undisturbed until all is quiet, and count."""
    rng = random.Random(campaign.seed)
    mailboxes = apply_layout(world, campaign.layout)
    # A request, and the answer to what is asked about it.
    traffic = Traffic(world, mailboxes, campaign.mails // 2, random.Random(rng.random()))
    killer = Killer(world, traffic, random.Random(rng.random()))
    traffic.start()
    try:
        _kill_all(campaign, killer, traffic, schedule(rng, campaign.kills), rng, tell)
        traffic.allow(traffic.wanted)
        _run_until_quiet(world, traffic, tell)
    finally:
        traffic.stop()
    tell("counting")
    recount = partial(take_census, world, traffic, mailboxes)
    census = recount()
    census.asides += [f"{what}: {count} times" for what, count in traffic.asides.items()]
    return Result(killer.died, census, _failures(campaign, killer.died, census, traffic), recount)


def _kill_all(
    campaign: Campaign,
    killer: Killer,
    traffic: Traffic,
    plan: list[str],
    rng: random.Random,
    tell: Callable[[str], None],
) -> None:
    for number, point in enumerate(plan):
        # What waits at the beginning lets the first ones reach their points.
        traffic.allow(4 + traffic.wanted * (number + 1) // campaign.kills)
        if traffic.error is not None:
            return
        if not killer.kill(point):
            later = [at for at in range(number + 1, len(plan)) if plan[at] == OUTSIDE]
            if later:
                plan[rng.choice(later)] = point
        tell(f"kill {number + 1} of {campaign.kills}, {len(traffic.delivered)} of {campaign.mails} mails")


def _run_until_quiet(world: World, traffic: Traffic, tell: Callable[[str], None]) -> None:
    """One run without faults. Gives up, for the census to tell why, when nothing has changed for a minute."""
    with world.running() as running:
        before, since = None, time.monotonic()
        while time.monotonic() < since + _STILL_SECONDS and traffic.error is None:
            now = (len(traffic.delivered), *_open_work(world))
            if traffic.is_complete and now == (len(traffic.delivered), len(traffic.delivered), 0, 0, 0):
                break
            if now != before:
                before, since = now, time.monotonic()
            tell(f"undisturbed now, {now[0]} mails; {now[2]} to acknowledge, {now[3]} to route, {now[4]} to send")
            time.sleep(0.2)
        code = running.stop()
        assert code == 0, f"the last run ended with {code}"


def _open_work(world: World) -> tuple[int, ...]:
    """Mails stored; mails to acknowledge, to route and to send."""
    queries = (
        "SELECT count(*) FROM mails",
        "SELECT count(*) FROM mails WHERE acknowledged_at IS NULL",
        "SELECT count(*) FROM mails WHERE state = 'received'",
        "SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')",
    )
    with closing(sqlite3.connect(world.path / "state.db", timeout=20)) as connection:
        return tuple(int(connection.execute(query).fetchone()[0]) for query in queries)


def _failures(campaign: Campaign, died: Counter[str], census: Census, traffic: Traffic) -> list[str]:
    failures = [
        f"died at {point} {died[point]} times, wanted {campaign.least}"
        for point in POINTS
        if died[point] < campaign.least
    ]
    if died.total() != campaign.kills:
        failures.append(f"{died.total()} kills, wanted {campaign.kills}")
    if not traffic.is_complete:
        failures.append(
            f"{traffic.requests} requests and {len(traffic.answered)} answers, wanted {traffic.wanted} each"
        )
    return failures + rows_that_are_wrong(census)


def rows_that_are_wrong(census: Census) -> list[str]:
    """What was counted and is not as it should be."""
    wrong: list[str] = []
    for row in census.rows:
        if not row.is_good:
            marks = [("lost", row.lost), ("twice", row.twice), ("strange", row.strange)]
            named = "; ".join(f"{word} {len(ones)}: {', '.join(list(ones)[:_SHOWN])}" for word, ones in marks if ones)
            wrong.append(f"{row.what}: {row.found} instead of {row.expected}; {named}")
    return wrong


def table(campaign: Campaign, result: Result) -> str:
    """The result for a person."""
    named = {**POINTS, **MORE, OUTSIDE: "SIGKILL to the process group at any instant"}
    lines = [f"{'died at':<14}{'kills':>6}  what that is"]
    lines += [f"{point:<14}{result.died[point]:>6}  {what}" for point, what in named.items()]
    lines += [f"{'':<14}{result.died.total():>6}  of {campaign.kills}, seed {campaign.seed}", ""]
    return "\n".join([*lines, census_table(result.census)])


def census_table(census: Census) -> str:
    """What was counted, and how, for a person."""
    lines = [f"{'':<2}{'counted':<48}{'wanted':>7}{'found':>7}{'lost':>6}{'twice':>6}  how"]
    for row in census.rows:
        numbers = f"{row.expected:>7}{row.found:>7}{len(row.lost):>6}{len(row.twice):>6}"
        lines.append(f"{'✓' if row.is_good else '✗':<2}{row.what:<48}{numbers}  {row.how}")
    return "\n".join([*lines, "", *census.asides])


def progress() -> Callable[[str], None]:
    """Progress on stderr: one line that changes on a terminal, else a line every ten seconds."""
    started, last = time.monotonic(), -10.0
    terminal = sys.stderr.isatty()

    def tell(text: str) -> None:
        nonlocal last
        seconds = time.monotonic() - started
        if terminal or seconds >= last + 10:
            last = seconds
            line = f"{int(seconds) // 60:3}:{int(seconds) % 60:02}  {text}"
            print(f"\r{line:<100}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    return tell


def _options(arguments: Sequence[str] | None) -> Campaign:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=FULL_KILLS)
    parser.add_argument("--mails", type=int, default=2000)
    options = parser.parse_args(arguments)
    return Campaign(options.seed, options.kills, options.mails)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign on a rig of its own; 0 if nothing was lost and nothing done twice."""
    campaign, numbers = _options(arguments), itertools.count(1)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    certificate, path = make_certificate(directory), directory / "world"
    path.mkdir()
    dovecot, smtp_server = Dovecot(directory, certificate), SmtpServer(directory, certificate)
    print(f"seed {campaign.seed}; servers and state are in {directory}", file=sys.stderr)
    started = time.monotonic()
    # Ended from outside, it ends its servers and the program too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        dovecot.start()
        smtp_server.start()
        world = World(path, dovecot, smtp_server, lambda name: f"{name}-{next(numbers)}@acme.example")
        result = run(campaign, world, progress())
    finally:
        smtp_server.stop()
        dovecot.stop()
    print(f"\n{table(campaign, result)}\n{time.monotonic() - started:.0f} s")
    if result.failures:
        print(
            "\n".join(
                ["", *(f"FAILED: {failure}" for failure in result.failures), f"everything is kept in {directory}"]
            )
        )
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
