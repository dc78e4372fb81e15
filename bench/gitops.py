"""`make bench-gitops`: validating, planning and applying thousands of files, beside the field's tools in the same run.

`python -m bench.gitops [--files 10000] [--peers FOLDER] [--without-peers] [--write PAGE]`. Peers are installed into a
virtual environment of their own, once. Peak memory is that of the largest process. Exit code 1 if a limit is not kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.accounts import write_folder
from bench.octodns import write_zones

PEERS = ("check-jsonschema==0.39.0", "octodns==1.15.0")
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Row:
    """One measured thing: seconds of wall clock, peak memory in MiB, the limit in seconds if it has one."""

    what: str
    seconds: float
    memory: float
    limit: float | None

    @property
    def is_too_slow(self) -> bool:
        """Whether it took longer than it may."""
        return self.limit is not None and self.seconds > self.limit


def main() -> int:
    """Measure, print the table, and write it where `--write` says."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=10_000)
    options.add_argument("--peers", type=Path, default=Path(".bench/peers"), help="where the peers are installed")
    options.add_argument("--without-peers", action="store_true")
    options.add_argument("--write", type=Path, help="a page; what stands between its marks becomes the table")
    wanted = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-gitops-") as folder:
        peers = None if wanted.without_peers else install(wanted.peers.absolute())
        rows = []
        for row in measure(Path(folder), wanted.files, peers):
            rows.append(row)
            print(f"{row.seconds:8.3f} s  {row.what}", flush=True)
    table = as_table(rows, wanted.files)
    print(f"\n{table}", end="")
    if wanted.write is not None:
        write_section(wanted.write, table)
    return 1 if any(row.is_too_slow for row in rows) else 0


def measure(folder: Path, files: int, peers: Path | None) -> Iterator[Row]:
    """Every row, ours first; `peers` is the folder of their programs."""
    accounts = folder / "accounts.d"
    write_folder(accounts, files)
    program = [str(Path(sys.executable).parent / "reconciler")]
    yield best("`reconciler --help`", [*program, "--help"], 0.25)
    yield best("`validate` of the example", [*program, "validate", str(ROOT / "accounts.d")], 0.6)
    yield best(f"`validate`, {files:,} files, cold", [*program, "validate", str(accounts)], 4.0, times=1)
    yield from inside(accounts, folder / "state.db")
    if peers is not None:
        yield from of_peers(folder, accounts, peers)


def best(what: str, command: Sequence[str], limit: float | None, times: int = 5, path: Path | None = None) -> Row:
    """The fastest of some runs; every run must end well. `path` joins Python's import path."""
    measured = [run(command, path) for _ in range(times)]
    return Row(what, min(seconds for seconds, _ in measured), max(memory for _, memory in measured), limit)


def run(command: Sequence[str], path: Path | None = None) -> tuple[float, float]:
    """Seconds and peak MiB (of the largest process) of one run; RuntimeError if it fails."""
    started = time.perf_counter()
    env = {**os.environ, "PYTHONPATH": str(path)} if path is not None else None
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said.decode(errors='replace')[-400:]}")
    return seconds, usage.ru_maxrss / 1024


def inside(accounts: Path, state: Path) -> Iterator[Row]:
    """What happens inside a process that runs; its peak memory stands in each row."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.inside", str(accounts), str(state)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError("bench.inside failed")
    for line in lines:
        what, seconds, limit = line.split("\t")
        yield Row(what, float(seconds), usage.ru_maxrss / 1024, float(limit) if limit else None)


def of_peers(folder: Path, accounts: Path, tools: Path) -> Iterator[Row]:
    """The field's programs: the same files against our own schema, and as many zones checked and planned."""
    schema = ROOT / "schemas" / "tenant.schema.json"
    tenants = sorted(str(path) for path in accounts.glob("tenant-*.yaml"))
    named, zones = PEERS[0].replace("==", " "), PEERS[1].replace("==", " ")
    yield best(
        f"{named}, cold", [str(tools / "check-jsonschema"), "--schemafile", str(schema), *tenants], None, times=1
    )
    config = write_zones(folder / "zones", len(tenants))
    for program, what in (("octodns-validate", "cold"), ("octodns-sync", "nothing changed")):
        command = [str(tools / program), "--config-file", str(config)]
        yield best(f"{zones}: `{program}`, {what}", command, None, times=1, path=config.parent)


def install(where: Path) -> Path:
    """A virtual environment with the peers, made once; its folder of programs."""
    stamp = where / "installed"
    if not stamp.exists() or stamp.read_text() != " ".join(PEERS):
        make: Callable[..., object] = subprocess.check_call
        if shutil.which("uv"):
            make(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(where)])
            make(["uv", "pip", "install", "--quiet", "--python", str(where / "bin/python"), *PEERS])
        else:
            make([sys.executable, "-m", "venv", "--clear", str(where)])
            make([str(where / "bin/python"), "-m", "pip", "install", "--quiet", *PEERS])
        stamp.write_text(" ".join(PEERS))
    return where / "bin"


def as_table(rows: Sequence[Row], files: int) -> str:
    """The rows as Markdown, with the machine they were measured on."""
    usage = os.getloadavg()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        f"{files:,} files, {len(os.sched_getaffinity(0))} processors, {memory:.0f} GiB, Python "
        f"{sys.version.split()[0]}; load average {usage[0]:.1f} when it ended.",
        "",
        "| what | seconds | limit | peak memory |",
        "|---|---|---|---|",
    ]
    for row in rows:
        limit = f"{row.limit:g}" if row.limit is not None else "–"
        seconds = f"**{row.seconds:.3f}**" if row.is_too_slow else f"{row.seconds:.3f}"
        lines.append(f"| {row.what} | {seconds} | {limit} | {row.memory:.0f} MiB |")
    return "\n".join(lines) + "\n"


def write_section(page: Path, table: str) -> None:
    """Replace what stands between the marks of the page."""
    text = page.read_text("utf-8")
    before, begin, rest = text.partition("<!-- bench-gitops -->\n")
    _, end, after = rest.partition("<!-- end bench-gitops -->")
    if not end:
        raise SystemExit(f"{page} lacks the marks `<!-- bench-gitops -->` and `<!-- end bench-gitops -->`")
    page.write_text(f"{before}{begin}{table}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
