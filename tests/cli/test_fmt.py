"""`reconciler fmt`: what it writes, and what it only names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Reconciler
from tests.folders import Folder

LOOSE = "version:   1  # first\ntenant: globex\naccounts: []\n"


@pytest.fixture
def loose(folder: Folder) -> Path:
    """A tenant's file that is not in the style, beside others that are."""
    for name in ("main", "acme"):
        folder.write_text(name, "version: 1\n")
    folder.write_text("globex", LOOSE)
    return folder.root / "globex.yaml"


def test_check_names_the_files_and_writes_nothing(reconciler: Reconciler, loose: Path) -> None:
    answer = reconciler("fmt", "--check")
    assert (answer.code, answer.err) == (1, "")
    assert answer.out == "not in the style: accounts.d/globex.yaml\n3 files: 1 not in the style\n"
    assert loose.read_text() == LOOSE


def test_files_are_written_once_and_keep_their_comments_and_mode(reconciler: Reconciler, loose: Path) -> None:
    loose.chmod(0o640)
    assert reconciler("fmt").out == "formatted: accounts.d/globex.yaml\n3 files: 1 formatted\n"
    assert loose.read_text().startswith("version: 1")
    assert "# first" in loose.read_text()
    assert loose.stat().st_mode & 0o777 == 0o640
    assert (reconciler("fmt").out, reconciler("fmt", "--check").code) == ("3 files: 0 formatted\n", 0)


def test_a_file_that_cannot_be_read_stays_and_the_others_are_written(
    reconciler: Reconciler, folder: Folder, loose: Path
) -> None:
    folder.write_text("acme", "version: [1\n")
    answer = reconciler("fmt", "accounts.d")
    assert (answer.code, answer.out) == (1, "formatted: accounts.d/globex.yaml\n3 files: 1 formatted\n")
    assert answer.err.startswith("acme.yaml:")
    assert "mend the file first" in answer.err
    assert (folder.root / "acme.yaml").read_text() == "version: [1\n"


def test_a_missing_folder_is_unavailable(reconciler: Reconciler) -> None:
    assert reconciler("fmt", "nowhere").code == 75
