"""This program in the benchmark: its state is set up once and copied for each run; a run is a process of its own.

`python -m bench.ours STATE SECRETS` fetches until nothing waits and stores, without routing.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.mails import Workload, rules

_ROOT = Path(__file__).parents[1]
_SEED = "seed@bench.example"


@dataclass(frozen=True, slots=True)
class Run:
    """How one run reaches its mailboxes: `way` is a word of its own for each host, port and security."""

    way: str
    protocol: str
    host: str
    port: int
    tls: bool
    weight: int

    @property
    def after_fetch(self) -> str:
        """What the server is told of a mail that is stored."""
        return "seen" if self.protocol == "imap" else "keep"


class Ours:
    """An accounts folder with every mailbox of a workload, and a case whose mails can be answered."""

    def __init__(self, directory: Path, workload: Workload, password: str, certificate: Path) -> None:
        self.directory, self.workload, self.password = directory, workload, password
        self.accounts, self.secrets = directory / "accounts.d", directory / "secrets"
        self.state = directory / "state.db"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("RECONCILER_")} | {
            "PYTHONPATH": str(_ROOT),
            "PYTHONDONTWRITEBYTECODE": "",
            "SSL_CERT_FILE": str(certificate),
            "RECONCILER_ACCOUNTS": str(self.accounts),
            "RECONCILER_SECRETS": str(self.secrets),
            "RECONCILER_STATE": f"sqlite:///{self.state}",
            "RECONCILER_AGENT": "agent@bench.example",
            # A benchmark waits for its slowest server too.
            "RECONCILER_LATE_SECONDS": "30",
        }

    def set_up(self, seed: Run) -> str:
        """Apply with the seed's mailbox alone, take its mail, answer it; the Message-ID of the answer."""
        self.accounts.mkdir(parents=True)
        self._secret("main", "any")
        self._secret("bench", "seed")
        system = {"host": "127.0.0.1", "security": "none", "username": "nobody", "password": {"secret": "any"}}
        kinds = {"main-reply": "reply", "main-second": "second-level-reply"}
        main = [self._account(name, f"{name}@bench.example", seed, "any", kind) for name, kind in kinds.items()]
        for account in main:
            account |= {"smtp": system, "imap": account["imap"] | {"username": "seed@bench.example." + account["id"]}}
        self._write("main", main)
        self._write("bench", [self._account("seed", _SEED, seed, "seed")])
        self._command("key", "new")
        self._command("apply")
        self._command("fetch", "--drain")
        case = json.loads(self._command("cases", "--format", "json"))["cases"][0]["id"]
        self._command("reply", case, "--text", "It is on its way.")
        with sqlite3.connect(self.state) as found:
            return str(found.execute("SELECT message_id FROM outbox").fetchone()[0])

    def command(self, copy: Path, run: Run, *, routed: bool) -> tuple[list[str], Mapping[str, str]]:
        """A fresh copy of the state with this run's accounts applied, and the command line that fetches."""
        shutil.copytree(self.directory, copy)
        there = Ours(copy, self.workload, self.password, Path(self.env["SSL_CERT_FILE"]))
        there._secret("bench", run.way)
        seed = json.loads((copy / "accounts.d" / "bench.yaml").read_text())["accounts"]
        users = enumerate(self.workload.users)
        there._write("bench", [*seed, *(there._account(f"a{n}", user, run, run.way) for n, user in users)])
        there._command("apply")
        command = [sys.executable, "-m", "reconciler", "fetch", "--drain"]
        if not routed:
            command = [sys.executable, "-m", "bench.ours", there.env["RECONCILER_STATE"], str(there.secrets)]
        return command, there.env

    def _account(self, name: str, user: str, run: Run, secret: str, kind: str = "inbound") -> dict[str, Any]:
        block = {
            "host": run.host,
            "port": run.port,
            "security": "tls" if run.tls else "none",
            "username": user,
            "password": {"secret": secret},
            "after_fetch": run.after_fetch,
            "start": "all",
        }
        account = {"id": name, "name": "Bench", "type": kind, "address": user, "weight": run.weight}
        return {**account, "protocol": run.protocol, run.protocol: block}

    def _write(self, unit: str, accounts: list[dict[str, Any]]) -> None:
        """A folder of a hundred accounts a file, for a file has at most 256 KB."""
        tenant = {} if unit == "main" else {"tenant": unit}
        if unit == "main" or len(accounts) < 100:
            routing = {} if unit == "main" else {"routing": rules()}
            document = {"version": 1, **tenant, "accounts": accounts, **routing}
            (self.accounts / f"{unit}.yaml").write_text(json.dumps(document))
            return
        (self.accounts / f"{unit}.yaml").unlink(missing_ok=True)
        folder = self.accounts / unit
        folder.mkdir()
        (folder / "tenant.yaml").write_text(json.dumps({"version": 1, **tenant, "accounts": [], "routing": rules()}))
        for first in range(0, len(accounts), 100):
            part = {"version": 1, **tenant, "accounts": accounts[first : first + 100]}
            (folder / f"part{first}.yaml").write_text(json.dumps(part))

    def _secret(self, unit: str, name: str) -> None:
        place = self.secrets / unit / name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_text(self.password)

    def _command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments], env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout


def stored(state: Path) -> int:
    """How many mails of the workload are stored."""
    with sqlite3.connect(state) as found:
        return int(found.execute("SELECT count(*) FROM mails").fetchone()[0]) - 1


def decided(state: Path) -> Counter[str]:
    """What became of the workload's mails, in the words of `mails.expected`."""
    with sqlite3.connect(state) as found:
        queues = found.execute("SELECT queue, count(*) FROM cases WHERE queue IS NOT NULL GROUP BY queue").fetchall()
        answers = "SELECT count(*) FROM mails JOIN cases ON cases.id = case_id WHERE queue IS NULL AND kind = 'human'"
        continued = found.execute(answers).fetchone()[0] - 1
        bounces = found.execute("SELECT count(*) FROM mails WHERE kind = 'bounce' AND state = 'routed'").fetchone()[0]
    return Counter(dict(queues)) + Counter({"answer": continued, "bounce": bounces})


def _store_only(state: str, secrets: str) -> None:
    from reconciler.cli.compose import house
    from reconciler.runtime.cycle import Engine
    from reconciler.runtime.fleet import read_fleet
    from reconciler.runtime.writer import Writer

    wired = house(state, Path(secrets))
    writer = Writer(wired.store)
    engine = Engine(wired.tools(writer), lambda _line: None)
    with wired.store.read() as connection:
        engine.set_accounts(read_fleet(connection, wired.registry).accounts)
    engine.drain()
    writer.close()


if __name__ == "__main__":
    _store_only(sys.argv[1], sys.argv[2])
