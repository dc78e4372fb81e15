"""`make bench-fetch`: fetches the same mails by this program and by others, in one run on one disk; prints the table.

`python -m bench.fetch [--rows "a b c d"] [--scale 1] [--runs 3] [--out DIR] [--only WORD]`; a scale below 1 makes the
mailboxes fewer, so that a quick run takes a minute. Writes `fetch.md` and `fetch.svg` into DIR.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import measure, peers
from bench.mails import Workload, expected, fill
from bench.ours import Ours, Run, decided, stored
from bench.picture import bars
from tests.rig.certificate import make_certificate
from tests.rig.dovecot import Dovecot, _free_ports

_SEED = b"From: c@customer.example\r\nSubject: A question\r\n\r\nWell?\r\n"
_DELAY_MS = 20.0
_LONGEST_SECONDS = 120.0
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Setting:
    """A part of the table: a workload, how the server is set up and how far away it is."""

    row: str
    title: str
    workload: Workload
    weights: tuple[int, ...]
    service_count: int = 1
    delayed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A program's median in one setting; `wrong` says what came out otherwise than it should."""

    setting: Setting
    program: str
    protocol: str
    tls: bool
    weight: int | None
    after_fetch: str
    runs: int
    cost: measure.Cost
    fsync: float
    wrong: str

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.setting.workload.total / self.cost.wall if not self.wrong else 0.0


def settings(scale: float) -> dict[str, Setting]:
    """The rows by letter."""

    def load(name: str, accounts: int, mails: int) -> Workload:
        # A single mailbox gets smaller, many get fewer.
        scaled = (accounts, max(20, int(mails * scale))) if accounts == 1 else (max(4, int(accounts * scale)), mails)
        return Workload(name, *scaled)

    a, b, c = load("a", 1, 5000), load("b", 200, 25), load("c", 1000, 3)
    many = f"{c.accounts:,} × {c.mails}"
    rows = [
        Setting("a", f"(a) {a.accounts} × {a.mails:,}", a, (3, 100)),
        Setting("b", f"(b) {b.accounts} × {b.mails}", b, (3, 25)),
        Setting("c", f"(c) {many}, a process a login", c, (3,)),
        Setting("C", f"(c) {many}, processes kept", c, (3,), service_count=1000),
        Setting("d", f"(d) {b.accounts} × {b.mails}, + 20 ms", replace(b, name="d"), (3, 25), delayed=True),
    ]
    return {row.row: row for row in rows}


class Bench:
    """Runs the lines of one setting, interleaved, each on a fresh store."""

    def __init__(self, setting: Setting, directory: Path, runs: int, only: str) -> None:
        self.setting, self.directory, self.runs, self.only = setting, directory, runs, only
        self.certificate = make_certificate(directory)
        owner = pwd.getpwnam("mail")
        self.owner = (owner.pw_uid, owner.pw_gid) if os.getuid() == 0 else None
        # A short path: sockets lie in it. Where the mails come from is not what is measured.
        self.server = Path(tempfile.mkdtemp(prefix="bench-"))
        extra = "\n".join(
            f"service {name} {{\n  process_limit = 3000\n  service_count = {setting.service_count}\n}}"
            for name in ("imap", "pop3")
        )
        limits = "\n".join(f"service {name} {{\n  client_limit = 8000\n}}" for name in ("auth", "anvil"))
        logins = "\n".join(f"service {name} {{\n  client_limit = 4000\n}}" for name in ("imap-login", "pop3-login"))
        self.dovecot = Dovecot(self.server, self.certificate, f"{extra}\n{limits}\n{logins}\n")

    def lines(self) -> Iterator[Line]:
        """Set up, run everything, take it down."""
        self.dovecot.start()
        proxy = self._proxy()
        try:
            seed = Run("seed", "imap", "127.0.0.1", self.dovecot.port, False, 3)
            self.dovecot.deliver("seed@bench.example", _SEED)
            ours = Ours(self.directory / "ours", self.setting.workload, self.dovecot.password, self.certificate.cert)
            answered = ours.set_up(seed)
            fill(self.setting.workload, answered, self.server / "mail", self.owner)
            self._warm()
            for way in self._ways():
                yield from self._in_turn(way, ours)
        finally:
            proxy.kill()
            proxy.communicate()
            self.dovecot.stop()
            shutil.rmtree(self.server, ignore_errors=True)

    def _proxy(self) -> subprocess.Popen[bytes]:
        d = self.dovecot
        self._far = dict(zip((d.port, d.tls_port, d.pop3_port, d.pop3_tls_port), _free_ports(4), strict=True))
        pairs = [f"{far}:{near}" for near, far in self._far.items()]
        command = [sys.executable, "-m", "bench.delay", str(_DELAY_MS), *pairs]
        proxy = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert proxy.stdout is not None
        proxy.stdout.readline()
        return proxy

    def _warm(self) -> None:
        """Let the server write its indexes, which no run is to pay for."""
        for user in self.setting.workload.users:
            with self.dovecot.client(user) as client:
                client.select_folder("INBOX", readonly=True)
                client.fetch(client.search("ALL"), ["RFC822.SIZE"])

    def _ways(self) -> Iterator[Run]:
        d = self.dovecot
        ports = {("imap", False): d.port, ("imap", True): d.tls_port}
        ports |= {("pop3", False): d.pop3_port, ("pop3", True): d.pop3_tls_port}
        for (protocol, tls), port in ports.items():
            word = f"{protocol}{'-tls' if tls else ''}"
            if self.only in ("", word):
                host = "localhost" if tls else "127.0.0.1"
                yield Run(word, protocol, host, self._far[port] if self.setting.delayed else port, tls, 0)

    def _in_turn(self, way: Run, ours: Ours) -> Iterator[Line]:
        programs: list[tuple[str, int | None]] = [(name, None) for name in peers.PEERS[way.protocol]]
        programs += [("ours, stored", weight) for weight in self.setting.weights]
        programs += [("ours, routed", weight) for weight in self.setting.weights]
        costs: dict[tuple[str, int | None], list[measure.Cost]] = {one: [] for one in programs}
        wrong: dict[tuple[str, int | None], str] = dict.fromkeys(programs, "")
        disk = []
        for _ in range(self.runs):
            for one in programs:
                # A program that is too slow, or comes out wrong, is not waited for again.
                if not wrong[one]:
                    disk.append(measure.fsync_median(self.directory))
                    cost, wrong[one] = self._run(*one, way, ours)
                    costs[one].append(cost)
        fsync = statistics.median(disk)
        for (name, weight), found in costs.items():
            after = way.after_fetch if weight is not None else "seen" if name == "fetchmail" and not way.tls else "keep"
            after = "keep" if way.protocol == "pop3" else after
            median = measure.Cost(*(statistics.median(getattr(c, f) for c in found) for f in measure.Cost.__slots__))
            said = wrong[name, weight]
            yield Line(self.setting, name, way.protocol, way.tls, weight, after, len(found), median, fsync, said)

    def _run(self, name: str, weight: int | None, way: Run, ours: Ours) -> tuple[measure.Cost, str]:
        work = self.directory / "run"
        shutil.rmtree(work, ignore_errors=True)
        pid, log = self.dovecot.pid, self.directory / "log"
        if weight is None:
            reached = peers.Way(way.host, way.port, way.tls, self.certificate.cert, self.dovecot.password)
            (work / "mail").mkdir(parents=True)
            command = peers.PEERS[way.protocol][name](self.setting.workload.users, reached, work)
            if self.owner is not None:
                subprocess.run(["chown", "-R", f"{self.owner[0]}:{self.owner[1]}", str(work)], check=True)
            env = {**os.environ, "HOME": str(work), "FETCHMAILHOME": str(work)}
            os.sync()
            cost, code = measure.run(command, env, pid, log, self.owner, _LONGEST_SECONDS)
            found = peers.delivered(work)
            return cost, self._verdict(found, code, cost)
        routed = name == "ours, routed"
        command, ours_env = ours.command(work, replace(way, weight=weight), routed=routed)
        os.sync()
        cost, code = measure.run(command, ours_env, pid, log, None, _LONGEST_SECONDS)
        wrong = self._verdict(stored(work / "state.db"), code, cost)
        if routed and not wrong and decided(work / "state.db") != expected(self.setting.workload):
            difference = decided(work / "state.db")
            difference.subtract(expected(self.setting.workload))
            wrong = f"decided otherwise: { {k: v for k, v in difference.items() if v} }"
        return cost, wrong

    def _verdict(self, found: int, code: int, cost: measure.Cost) -> str:
        if found == self.setting.workload.total:
            return ""
        if code == -9:
            return f"{found} of {self.setting.workload.total} after {cost.wall:.0f} s"
        return f"{found} of {self.setting.workload.total}, exit {code}"


HEAD = (
    "program",
    "protocol",
    "weight",
    "after fetch",
    "runs",
    "wall s",
    "mails/s",
    "µs CPU a mail",
    "peak MiB",
    "server CPU s",
)


def table(lines: Sequence[Line]) -> str:
    """Markdown, a part a setting."""
    out = []
    for setting in dict.fromkeys(line.setting for line in lines):
        here = [line for line in lines if line.setting == setting]
        fsync = statistics.median(line.fsync for line in here)
        title = f"\n**{setting.title}** (fsync median {fsync:.2f} ms)\n"
        out += [title, "| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
        out += ["| " + " | ".join(_cells(line)) + " |" for line in here]
    return "\n".join(out) + "\n"


def _cells(line: Line) -> tuple[str, ...]:
    cost, total = line.cost, line.setting.workload.total
    how = (line.protocol + (" TLS" if line.tls else ""), str(line.weight or "–"), line.after_fetch, str(line.runs))
    if line.wrong:
        return (line.program, *how, line.wrong, "–", "–", f"{cost.peak:.0f}", f"{cost.server:.2f}")
    numbers = (f"{cost.wall:.2f}", f"{line.rate:,.0f}", f"{cost.cpu / total * 1e6:,.0f}")
    return (line.program, *how, *numbers, f"{cost.peak:.0f}", f"{cost.server:.2f}")


def picture(lines: Sequence[Line]) -> str:
    """Mails a second over IMAP without TLS, the fastest weight of ours."""
    groups: dict[str, list[tuple[str, float, bool]]] = {}
    for line in lines:
        if line.rate and not line.tls and line.protocol == "imap":
            name = line.program + (f", weight {line.weight}" if line.weight else "")
            groups.setdefault(line.setting.title, []).append((name, line.rate, line.weight is not None))
    return bars({title: sorted(rows, key=lambda r: -r[1]) for title, rows in groups.items()}, "mails/s")


def main(arguments: Sequence[str]) -> int:
    """Measure the wanted rows; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="a b c C d", help="which rows, of a b c C d")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench/out"))
    parser.add_argument("--only", default="", help="imap, imap-tls, pop3 or pop3-tls; all without it")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="a directory on the disk to use")
    options = parser.parse_args(arguments)
    if lacking := peers.missing():
        print(f"to compare with, run: sudo apt-get install -y {' '.join(lacking)}", file=sys.stderr)
        return 1
    lines: list[Line] = []
    for row in options.rows.split():
        directory = Path(tempfile.mkdtemp(prefix="bench-", dir=options.work))
        directory.chmod(0o755)
        subprocess.run(["cc", "-O2", "-o", str(directory / "deliver"), str(_ROOT / "bench/deliver.c")], check=True)
        try:
            for line in Bench(settings(options.scale)[row], directory, options.runs, options.only).lines():
                lines.append(line)
                print(f"{line.setting.title}  " + "  ".join(_cells(line)), flush=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "fetch.md").write_text(table(lines), encoding="utf-8")
    (options.out / "fetch.svg").write_text(picture(lines), encoding="utf-8")
    print(table(lines) + f"\n{options.out}/fetch.md and {options.out}/fetch.svg are written.")
    return 1 if any(line.wrong for line in lines if line.weight is not None) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
