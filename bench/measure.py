"""What is measured: a program's time, CPU and memory, the mail server's CPU, what an fsync costs here."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: wall seconds, the program's CPU seconds with its children's, its peak MiB, the server's CPU."""

    wall: float
    cpu: float
    peak: float
    server: float


def run(
    command: Sequence[str], env: Mapping[str, str], server: int, log: Path, user: tuple[int, int] | None, limit: float
) -> tuple[Cost, int]:
    """Run a program to its end, killed after `limit` seconds; its cost and exit code. `server`: the server's pid."""
    before, started = server_cpu(server), time.monotonic()
    as_user = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=dict(env), stdout=out, stderr=out, **as_user)  # type: ignore[call-overload]
        killer = subprocess.Popen(["sh", "-c", f"sleep {limit}; kill -9 {process.pid}"], stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        killer.kill()
        killer.wait()
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, server_cpu(server) - before)
    return cost, process.returncode


def server_cpu(master: int) -> float:
    """CPU seconds that a process, all below it and all that have ended below it have used."""
    parents: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
                ticks[int(entry.name)] = sum(map(int, fields[11:15]))
    waiting, total = [master], 0
    while waiting:
        pid = waiting.pop()
        total += ticks.get(pid, 0)
        waiting += parents.get(pid, [])
    return total / _TICK


def fsync_median(directory: Path, times: int = 100) -> float:
    """Milliseconds that an fsync after appending 4 KiB takes here."""
    path, taken = directory / "fsync", []
    with path.open("wb") as file:
        for _ in range(times):
            file.write(os.urandom(4096))
            file.flush()
            started = time.monotonic()
            os.fsync(file.fileno())
            taken.append(time.monotonic() - started)
    path.unlink()
    return statistics.median(taken) * 1000
