"""`make mutants`: applies each patch to a copy of the package, runs the test that must turn red, prints a table."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

from tests.mutants.table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
_BESIDE = ("tests", "docs", "schemas", "accounts.d", "pyproject.toml", "README.md")
_SECONDS = 300


class Verdict(StrEnum):
    """What became of a mutant: the test turned red, it did not, or nothing can be said."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    BROKEN = "BROKEN"


def patched(mutant: Mutant, package: Path) -> None:
    """Apply the patch. Raises AssertionError unless the line stands in the file exactly once."""
    file = package / mutant.file
    text = file.read_text(encoding="utf-8")
    count = text.count(mutant.line)
    assert count == 1, f"{mutant.file} has no line `{mutant.line.strip()}`; adapt the patch"
    file.write_text(text.replace(mutant.line, mutant.instead, 1), encoding="utf-8")


def copied(folder: Path) -> Path:
    """A copy of the package in this folder, with the tests beside it."""
    shutil.copytree(ROOT / "reconciler", folder / "reconciler", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _BESIDE:
        (folder / name).symlink_to(ROOT / name)
    return folder / "reconciler"


def run_tests(folder: Path, *tests: str) -> tuple[int, str]:
    """How pytest ends for these tests in the copy (0 green, 1 red), and what it says."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    return done.returncode, done.stdout


def judged(mutant: Mutant) -> Verdict:
    """Run the mutant's test with its patch."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        patched(mutant, copied(folder))
        code, _ = run_tests(folder, mutant.test)
    return {0: Verdict.SURVIVED, 1: Verdict.KILLED}.get(code, Verdict.BROKEN)


def red_already(chosen: Sequence[Mutant]) -> str:
    """What pytest says if a named test is red without any patch, so that its red would mean nothing; else empty."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copied(folder)
        code, said = run_tests(folder, *sorted({mutant.test for mutant in chosen}))
        return said if code else ""


def main() -> int:
    """Print the table; 1 if a mutant survived or could not be judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="mutants whose name holds this")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.removes]
    if said := red_already(chosen):
        print(f"not green without a patch:\n{said}")
        return 1
    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(judged, chosen))
    width = max(len(mutant.removes) for mutant in chosen)
    for mutant, verdict in zip(chosen, verdicts, strict=True):
        print(f"{mutant.removes:<{width}}  {verdict:<8}  {mutant.file:<24} {mutant.test}")
    killed = verdicts.count(Verdict.KILLED)
    print(f"{killed} of {len(chosen)} killed")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
