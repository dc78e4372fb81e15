"""The fetch campaign: a bad network, dying servers, UIDs given out anew and kills; in the end every mail is counted."""

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

from tests.chaos.arrivals import Arrivals
from tests.chaos.fetch_census import take_fetch_census
from tests.chaos.killing import MORE, OUTSIDE, POINTS, Killer, Patience, schedule
from tests.chaos.mailboxes import MOVED_TO, Layout
from tests.chaos.run import census_table, progress, rows_that_are_wrong
from tests.chaos.servers import Servers
from tests.rig.certificate import make_certificate
from tests.rig.dovecot import WITHOUT_MOVE, Dovecot
from tests.rig.faulty_proxy import FAULTS, FaultyProxy
from tests.rig.smtp_server import SmtpServer
from tests.world import World

FETCH_POINTS = {
    "fetched": MORE["fetched"],
    "stored": POINTS["stored"],
    "copied": "copied by a server without MOVE, nothing deleted",
    "acknowledged": POINTS["acknowledged"],
    "finished": MORE["finished"],
    "committed": POINTS["committed"],
}
_WAYS = ("seen", "move", "copy", "delete", "pop3")
FULL: Layout = dict.fromkeys(("alpha", "beta", "gamma", "delta"), _WAYS)
SMALL: Layout = {"alpha": _WAYS}

PATIENCE = Patience(nudges=6, nudge_seconds=0.7, lives_seconds=1.0)
_SHARE = 0.08
_PIECES = 120
_LONG_SECONDS, _LONG_FAULTS = 12.0, 12
_LONG_EACH = 25
_RESTART_EACH = 4
_IN_SHORT_LIVES = 0.6
_LIVES_MORE = 60
_STILL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class FetchCampaign:
    """What to do: everything that is drawn comes from the seed; which connection a fault finds does not."""

    seed: int
    kills: int
    faults: int
    mails: int
    door: str = "fast"
    layout: Layout = field(default_factory=lambda: FULL)
    long_seconds: float = _LONG_SECONDS

    @property
    def long_each(self) -> int:
        """Every so many lives one is long: connections fail and are made anew while the program goes on."""
        return min(_LONG_EACH, max(2, self.kills // 3))


class Trial:
    """One campaign under way."""

    def __init__(
        self, campaign: FetchCampaign, world: World, servers: Servers, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._campaign, self._world, self._servers, self._tell = campaign, world, servers, tell
        self._rng = random.Random(campaign.seed)
        world.environment |= {
            "RECONCILER_DOOR": campaign.door,
            "RECONCILER_COMMAND_SECONDS": "2",
            "RECONCILER_CONNECT_SECONDS": "2",
        }
        self.mailboxes = servers.apply(world, campaign.layout)
        self.arrivals = Arrivals(servers, self.mailboxes, campaign.mails)
        self._killer = Killer(world, self.arrivals, random.Random(self._rng.random()), PATIENCE)
        self._kinds = self._faults()
        self.renamed: set[str] = set()
        self.decisions: Counter[str] = Counter()

    @property
    def died(self) -> Counter[str]:
        """Kills by point."""
        return self._killer.died

    def run(self) -> None:
        """All kills and faults, then undisturbed until nothing is left to do."""
        self.arrivals.start()
        try:
            self._disturb()
            self.arrivals.allow(self.arrivals.wanted)
            self._until_quiet()
            # A step for every account: one whose UIDs changed at the end may rest until it is polled.
            self._world.command("fetch", "--drain")
        finally:
            self.arrivals.stop()

    def _faults(self) -> list[str]:
        """Every kind as often as any other, in any order."""
        kinds = [kind for kind, _ in zip(itertools.cycle(FAULTS), range(self._campaign.faults), strict=False)]
        self._rng.shuffle(kinds)
        return kinds

    def _disturb(self) -> None:
        """Live and die until all kills and faults took place; gives up after some lives more, and the table tells."""
        kills, proxy = self._campaign.kills, self._servers.proxy
        shorts = kills - kills // self._campaign.long_each
        plan = schedule(self._rng, shorts, FETCH_POINTS, (), _SHARE)
        for number in range(1, kills + _LIVES_MORE):
            missing = [point for point in FETCH_POINTS if not self.died[point]]
            is_over = number > kills and not (self._kinds or proxy.armed or missing)
            if is_over or self.arrivals.error is not None:
                return
            self.arrivals.allow(4 + self.arrivals.wanted * number // kills)
            self._decide()
            if number % self._campaign.long_each == 0 or (number > kills and not missing):
                self._killer.kill(OUTSIDE, partial(self._long_life, number))
            else:
                self._arm(round(self._campaign.faults * number * _IN_SHORT_LIVES / kills) - self._spent)
                self._short_life(plan.pop() if plan else missing[0], plan)
            self._tell(
                f"kill {self.died.total()} of {kills}, fault {proxy.befallen.total()} of {self._campaign.faults}, "
                f"{len(self.arrivals.delivered)} mails"
            )

    @property
    def _spent(self) -> int:
        return self._campaign.faults - len(self._kinds)

    def _short_life(self, point: str, plan: list[str]) -> None:
        if not self._killer.kill(point) and OUTSIDE in plan:
            plan[plan.index(OUTSIDE)] = point

    def _arm(self, count: int) -> None:
        for _ in range(min(count, len(self._kinds))):
            self._servers.proxy.arm(self._kinds.pop(), self._rng.randrange(_PIECES))

    def _long_life(self, number: int) -> None:
        """The program lives while connections fail one after the other, a server restarts and UIDs change."""
        share = -(-self._campaign.faults * self._campaign.long_each // self._campaign.kills)
        count = max(_LONG_FAULTS, share // 2)
        events = [partial(self._arm, 1)] * count
        events.insert(self._rng.randrange(count), self._renumber)
        if number // self._campaign.long_each % _RESTART_EACH == 1:
            server = self._rng.choice((self._servers.moving, self._servers.copying))
            events.insert(self._rng.randrange(count), partial(self._servers.restart, server))
        for event in events:
            event()
            time.sleep(self._campaign.long_seconds / len(events))

    def _renumber(self) -> None:
        mailbox = self._rng.choice(self.mailboxes)
        folder = self._rng.choice(("INBOX", MOVED_TO)) if mailbox.way == "copy" else "INBOX"
        self._servers.renumber(mailbox, folder)
        if mailbox.way == "pop3":
            self.renamed |= {one for one, where in self.arrivals.delivered.items() if where == mailbox}

    def _decide(self) -> bool:
        """Say, as an operator would, that unknown mails are new; whether anything was to be decided."""
        query = (
            "SELECT accounts.unit || '/' || accounts.id FROM health JOIN accounts ON accounts.key = health.account_key "
            "WHERE health.condition = 'ResyncNeedsDecision'"
        )
        with closing(sqlite3.connect(self._world.path / "state.db", timeout=20)) as connection:
            waiting = [label for (label,) in connection.execute(query)]
        for label in waiting:
            done = self._world.command("resync", label, "--fetch-unknown", "--reason", "campaign", check=None)
            self.decisions[str(done.returncode)] += 1
        return bool(waiting)

    def _until_quiet(self) -> None:
        """Runs without faults, begun anew after each decision. Gives up when nothing has changed for a minute."""
        last, before, since = None, None, time.monotonic()
        while time.monotonic() < since + _STILL_SECONDS and self.arrivals.error is None:
            self._decide()
            with self._world.running() as running:
                until = time.monotonic() + 10.0
                while time.monotonic() < until:
                    now = self._open_work()
                    if now != before:
                        before, since = now, time.monotonic()
                    if now[1:] == (0, 0) and now[0] >= len(self.arrivals.delivered) and self.arrivals.is_complete:
                        break
                    self._tell(f"undisturbed now, {now[0]} mails; {now[1]} to acknowledge, {now[2]} to route")
                    time.sleep(0.2)
                else:
                    continue
                assert running.stop() == 0
            # Quiet is what a second look finds unchanged.
            if last == before:
                return
            last = before

    def _open_work(self) -> tuple[int, int, int]:
        """Mails stored, mails to acknowledge, mails to route."""
        queries = (
            "SELECT count(DISTINCT sha256) FROM mails",
            "SELECT count(*) FROM mails WHERE acknowledged_at IS NULL",
            "SELECT count(*) FROM mails WHERE state = 'received'",
        )
        with closing(sqlite3.connect(self._world.path / "state.db", timeout=20)) as connection:
            stored, untold, unrouted = (int(connection.execute(query).fetchone()[0]) for query in queries)
        return stored, untold, unrouted


def table(campaign: FetchCampaign, trial: Trial, servers: Servers, seconds: float) -> str:
    """What took place, for a person."""
    lines = [f"{'kills at':<14}{'kills':>6}  what that is"]
    points = {**FETCH_POINTS, OUTSIDE: "SIGKILL to the process group at any instant"}
    lines += [f"{point:<14}{trial.died[point]:>6}  {what}" for point, what in points.items()]
    lines += [f"{'':<14}{trial.died.total():>6}  of {campaign.kills}, seed {campaign.seed}, door {campaign.door}", ""]
    befallen = servers.proxy.befallen
    lines.append(f"{'faults':<14}{'times':>6}  what that is")
    lines += [f"{kind:<14}{befallen[kind]:>6}  {what}" for kind, what in FAULTS.items()]
    lines += [f"{'':<14}{befallen.total():>6}  of {campaign.faults}", ""]
    lines += [f"{what}: {count}" for what, count in sorted(servers.done.items())]
    lines.append(f"decisions of an operator about unknown mails: {trial.decisions['0']}")
    return "\n".join([*lines, f"{seconds:.0f} s", ""])


def failures(campaign: FetchCampaign, trial: Trial, servers: Servers) -> list[str]:
    """Why the campaign was not what it was to be."""
    found = [f"never died at {point}" for point in FETCH_POINTS if not trial.died[point]]
    found += [f"{kind} never took place" for kind in FAULTS if not servers.proxy.befallen[kind]]
    if trial.died.total() < campaign.kills or servers.proxy.befallen.total() < campaign.faults:
        found.append(f"{trial.died.total()} kills and {servers.proxy.befallen.total()} faults are too few")
    return found


def _options(arguments: Sequence[str] | None) -> FetchCampaign:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fetch", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--door", choices=("fast", "thread"), default="fast")
    options = parser.parse_args(arguments)
    return FetchCampaign(options.seed, options.kills, options.faults, options.mails, options.door)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign on a rig of its own; 0 if nothing was lost and nothing done twice."""
    campaign, numbers = _options(arguments), itertools.count(1)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    certificate = make_certificate(directory)
    places = {name: directory / name for name in ("a", "b", "world")}
    for place in places.values():
        place.mkdir()
    directory.chmod(0o755)
    moving = Dovecot(places["a"], certificate)
    copying = Dovecot(places["b"], certificate, WITHOUT_MOVE)
    smtp_server, proxy = SmtpServer(directory, certificate), FaultyProxy()
    print(f"seed {campaign.seed}; servers and state are in {directory}", file=sys.stderr)
    # Ended from outside, it ends its servers and the program too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    try:
        for server in (moving, copying, smtp_server):
            server.start()
        world = World(places["world"], moving, smtp_server, lambda name: f"{name}-{next(numbers)}@acme.example")
        servers = Servers(moving, copying, proxy)
        trial = Trial(campaign, world, servers, progress())
        trial.run()
        census = take_fetch_census(world, servers, trial.arrivals.delivered, trial.mailboxes, trial.renamed)
    finally:
        proxy.close()
        for server in (moving, copying, smtp_server):
            server.stop()
    wrong = [*failures(campaign, trial, servers), *rows_that_are_wrong(census)]
    print(f"\n{table(campaign, trial, servers, time.monotonic() - started)}\n{census_table(census)}")
    if wrong:
        print("\n".join(["", *(f"FAILED: {one}" for one in wrong), f"everything is kept in {directory}"]))
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
