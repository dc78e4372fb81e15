"""The soak: hundreds of accounts, mails and changes of files all the time; then memory, handles and mails are judged.

The program is a process of its own, as users have it; what it holds is read from /proc once a second.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.picture import curves
from tests.chaos.run import progress
from tests.chaos.traffic import REQUEST, marker, markers
from tests.rig.certificate import make_certificate
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.world import World, mail

_TENANTS = 10
_POP3_EACH = 10
_CHANGE_SECONDS = 5.0
_MORE_MEMORY = 1.10
_MORE_HANDLES = 8
_PATIENCE_SECONDS = 180.0
_SETTLE_SECONDS = 15
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at an instant, seconds from the start: bytes, numbers of threads and sockets, mails open."""

    at: float
    memory: int
    router: int
    threads: int
    sockets: int
    accounts: int
    waiting: int


@dataclass
class Soak:
    """One soak under way; `delivered` says when each mail was put into which mailbox."""

    world: World
    rng: random.Random
    samples: list[Sample] = field(default_factory=list)
    delivered: dict[str, str] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=lambda: {"weight": 0, "added": 0, "retired": 0})
    units: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    resting: set[str] = field(default_factory=set)

    def found(self, accounts: int) -> None:
        """Write and apply so many accounts."""
        for number in range(accounts):
            self._add(f"tenant{number % _TENANTS}", is_pop3=number % _POP3_EACH == _POP3_EACH - 1)
        for unit in self.units:
            self._write(unit)
        self.world.apply()

    def _add(self, unit: str, *, is_pop3: bool = False) -> None:
        address = self.world.fresh("soak")
        account = self.world.account(address.partition("@")[0], address, imap={"after_fetch": "seen"})
        if is_pop3:
            account |= {"protocol": "pop3", "pop3": account.pop("imap") | {"after_fetch": "delete"}}
            account["pop3"]["port"] = self.world.dovecot.pop3_port
        self.units.setdefault(unit, {})[address] = account

    def _write(self, unit: str) -> None:
        self.world.unit(unit, *self.units[unit].values())

    def deliver(self, count: int) -> None:
        """Put mails into mailboxes that serve."""
        serving = [a for accounts in self.units.values() for a in accounts if a not in self.resting]
        for _ in range(count):
            number, to = len(self.delivered), self.rng.choice(serving)
            text = f"Where is it?\n{marker(REQUEST, number)}"
            raw = mail(f"customer-{number}@customer.example", to, f"Parcel {number}", text)
            self.delivered[marker(REQUEST, number)] = to
            self.world.dovecot.deliver(to, raw)

    def change(self) -> None:
        """Change one file: another weight, an account more, or one less, which gets no mail any more from the change
        before on, so that nothing waits in it."""
        unit = self.rng.choice(sorted(self.units))
        for gone in [a for a in self.resting if a in self.units[unit]]:
            self.resting.discard(gone)
            del self.units[unit][gone]
            self.changes["retired"] += 1
        match self.rng.randrange(3):
            case 0:
                self.rng.choice(list(self.units[unit].values()))["weight"] = self.rng.randint(1, 9)
                self.changes["weight"] += 1
            case 1:
                self._add(unit)
                self.changes["added"] += 1
            case _:
                self.resting.add(self.rng.choice([a for a in self.units[unit] if a not in self.resting]))
        self._write(unit)

    def sample(self, process: subprocess.Popen[bytes], since: float) -> None:
        """Look at the process and its children."""
        routers = [pid for child in _children(process.pid) for pid in (child, *_children(child))]
        self.samples.append(
            Sample(
                time.monotonic() - since,
                _memory(process.pid),
                sum(_memory(pid) for pid in routers),
                len(list(Path(f"/proc/{process.pid}/task").iterdir())),
                _sockets(process.pid),
                sum(len(accounts) for accounts in self.units.values()),
                len(self.delivered) - self.routed(),
            )
        )

    def routed(self) -> int:
        """How many mails stand on cases."""
        with closing(sqlite3.connect(self.world.path / "state.db", timeout=20)) as connection:
            return int(connection.execute("SELECT count(*) FROM mails WHERE state = 'routed'").fetchone()[0])

    def lost_and_twice(self) -> tuple[set[str], set[str]]:
        """Delivered mails that stand on no case, and those that stand on several."""
        query = "SELECT text FROM entries WHERE kind = 'customer_message'"
        with closing(sqlite3.connect(self.world.path / "state.db", timeout=20)) as connection:
            found = [one for (text,) in connection.execute(query) for one in markers(text, REQUEST)]
        return set(self.delivered) - set(found), {one for one in found if found.count(one) > 1}


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _memory(pid: int) -> int:
    """Bytes that are this process's alone, and its share of what it has in common with others."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _sockets(pid: int) -> int:
    count = 0
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += str(handle.readlink()).startswith("socket:")
        except OSError:
            continue
    return count


@contextmanager
def _running(world: World) -> Iterator[subprocess.Popen[bytes]]:
    with (world.path / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "run"], env=world.environment, cwd=world.path, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def play(soak: Soak, minutes: float, rate: float) -> int:
    """Mails and changes for so long, then quiet until all is routed; the program's exit code."""
    tell, since, changed = progress(), time.monotonic(), 0.0
    with _running(soak.world) as process:
        for second in range(round(minutes * 60)):
            soak.deliver(round(rate * (second + 1)) - len(soak.delivered))
            if time.monotonic() - since - changed >= _CHANGE_SECONDS:
                changed = time.monotonic() - since
                soak.change()
            soak.sample(process, since)
            last = soak.samples[-1]
            tell(f"{second} of {minutes * 60:.0f} s: {last.accounts} accounts, {last.waiting} mails wait")
            time.sleep(max(0.0, since + second + 1 - time.monotonic()))
        end = time.monotonic() + _PATIENCE_SECONDS
        while soak.routed() < len(soak.delivered) and time.monotonic() < end and process.poll() is None:
            tell(f"{len(soak.delivered) - soak.routed()} mails wait")
            time.sleep(1)
        for _ in range(_SETTLE_SECONDS):
            soak.sample(process, since)
            time.sleep(1)
        process.send_signal(signal.SIGTERM)
        return process.wait(60)


def judged(soak: Soak, code: int) -> list[tuple[str, str, str, bool]]:
    """What was measured, what it came to, what it may come to, and whether it holds."""
    quarter = len(soak.samples) // 4
    second, last = soak.samples[quarter : 2 * quarter], soak.samples[-quarter:]
    lost, twice = soak.lost_and_twice()
    rows = [
        ("mails delivered and not routed", str(len(lost)), "0", not lost),
        ("mails routed twice", str(len(twice)), "0", not twice),
        ("exit code after SIGTERM", str(code), "0", code == 0),
    ]
    for what, of in (("memory, MiB", "memory"), ("memory of the router, MiB", "router")):
        before, after = (median(getattr(s, of) for s in part) / _MIB for part in (second, last))
        limit = before * _MORE_MEMORY
        rows.append((f"{what}, last quarter", f"{after:.1f}", f"≤ {limit:.1f}", after <= limit))
    threads = [median(s.threads for s in part) for part in (second, last)]
    rows.append(("threads, last quarter", f"{threads[1]:.0f}", f"≤ {threads[0] + 3:.0f}", threads[1] <= threads[0] + 3))
    more = [median(s.sockets - s.accounts for s in part) for part in (second, last)]
    held = more[1] <= more[0] + _MORE_HANDLES
    rows.append(("sockets beyond one an account, last quarter", f"{more[1]:.0f}", f"≤ {more[0] + 8:.0f}", held))
    return rows


def table(soak: Soak, rows: Sequence[tuple[str, str, str, bool]]) -> str:
    """The outcome, for a person."""
    changes = ", ".join(f"{count} {what}" for what, count in soak.changes.items())
    lines = [f"{len(soak.delivered)} mails, {soak.samples[-1].accounts} accounts at the end; changes: {changes}", ""]
    lines += [f"{'✓' if good else '✗'} {what:<46}{found:>9}  {limit}" for what, found, limit, good in rows]
    return "\n".join(lines)


def picture(soak: Soak) -> str:
    """The curves."""
    at = [sample.at for sample in soak.samples]
    return curves(
        at,
        {
            "Memory of run, MiB": [s.memory / _MIB for s in soak.samples],
            "Memory of its router, MiB": [s.router / _MIB for s in soak.samples],
            "Threads": [float(s.threads) for s in soak.samples],
            "Sockets": [float(s.sockets) for s in soak.samples],
            "Mails that wait": [float(s.waiting) for s in soak.samples],
        },
        "s",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak; 0 if everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--accounts", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5.0, help="mails a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=Path("docs/soak.svg"))
    options = parser.parse_args(arguments)
    directory, numbers = Path(tempfile.mkdtemp(prefix="soak-")), itertools.count(1)
    directory.chmod(0o755)
    certificate = make_certificate(directory)
    dovecot, smtp_server = Dovecot(directory, certificate), SmtpServer(directory, certificate)
    print(f"seed {options.seed}; servers and state are in {directory}", file=sys.stderr)
    try:
        dovecot.start()
        smtp_server.start()
        (directory / "world").mkdir()
        world = World(directory / "world", dovecot, smtp_server, lambda name: f"{name}-{next(numbers)}@acme.example")
        soak = Soak(world, random.Random(options.seed))
        soak.found(options.accounts)
        code = play(soak, options.minutes, options.rate)
    finally:
        smtp_server.stop()
        dovecot.stop()
    rows = judged(soak, code)
    options.picture.write_text(picture(soak), encoding="utf-8")
    print(f"\n{table(soak, rows)}\n\nthe curves are in {options.picture}")
    return 0 if all(good for *_, good in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
