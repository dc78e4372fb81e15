"""The kill campaign of `make chaos-apply`, small: whatever statement `apply` dies at, no tenant is half applied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SPLIT = """
import sys
from reconciler.store import applied
rename = applied._rename
def split(connection, *others):
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    rename(connection, *others)
applied._rename = split
from tests.chaos.apply import main
sys.exit(main())
"""


def campaign(*program: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, because it forks."""
    small = ("--each", "1", "--scenes", "1", "--writes")
    return subprocess.run([sys.executable, *program, *small], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_no_kill_leaves_a_tenant_half_applied() -> None:
    done = campaign("-m", "tests.chaos.apply")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "UPDATE accounts" in done.stdout


@pytest.mark.slow
def test_a_transaction_that_is_split_in_two_would_be_told() -> None:
    done = campaign("-c", _SPLIT)
    assert (done.returncode, "is neither old nor new" in done.stdout) == (1, True), done.stdout + done.stderr
