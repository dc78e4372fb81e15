"""Checking by several processes finds what one finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.core.policy import BUILT_IN
from reconciler.core.revision import NOTHING_APPLIED as NOTHING
from reconciler.runtime.checking import check_place
from reconciler.runtime.desired import Judge, read_desired
from reconciler.source.files import Folder as Place
from reconciler.source.files import Reader
from reconciler.source.listing import Listing
from tests.folders import Folder, system
from tests.states import REGISTRY, account


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Valid tenants, one with errors, one that is no YAML, a stray file, and two that claim one mailbox and address."""
    folder = Folder(tmp_path / "accounts.d")
    for number in range(9):
        folder.write(f"t{number}", account(f"a{number}"), system(f"r{number}"))
    folder.write("broken", account("broken", weight=0))
    folder.write_text("torn", "version: 1\ntenant: torn\naccounts: [")
    folder.write("first", account("same"))
    folder.write("second", account("same"))
    (folder.root / "stray.txt").write_text("")
    return folder.root


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_it_finds_what_reading_finds(root: Path, processes: int) -> None:
    check, reading = check_place(Place(root), REGISTRY, processes=processes), read_desired(root, REGISTRY)
    assert check.findings == reading.findings
    assert (check.files, check.tenants, check.accounts) == (reading.files, reading.tenants, reading.accounts)
    assert {finding.code for finding in check.findings} >= {"E302", "E303", "W101", "E004"}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_missing_main_file_is_found(root: Path, processes: int) -> None:
    (root / "main.yaml").unlink()
    assert "E107" in {finding.code for finding in check_place(Place(root), REGISTRY, processes=processes).findings}


@dataclass
class Looks:
    """Look after look at one folder, with what one remembers of the other."""

    root: Path
    reader: Reader = field(default_factory=Reader)
    judge: Judge = field(default_factory=lambda: Judge(REGISTRY))

    def look(self) -> tuple[object, object]:
        """The reading, and the reading of somebody who remembers nothing."""
        listing: Listing = Place(self.root).listed()
        reading = self.judge.judge(str(self.root), self.reader.read(listing), NOTHING, BUILT_IN)
        fresh = read_desired(self.root, REGISTRY)
        assert reading.findings == fresh.findings
        assert reading.desired.held == fresh.desired.held
        digests = {unit: s.digest for unit, s in reading.desired.units.items()}
        assert digests == {unit: s.digest for unit, s in fresh.desired.units.items()}
        return reading, fresh


def test_looks_that_remember_see_what_a_first_look_sees(root: Path) -> None:
    looks, folder = Looks(root), Folder.__new__(Folder)
    folder.root = root
    looks.look()
    folder.write("t1", account("other"))
    looks.look()
    folder.write("broken", account("broken"))
    looks.look()
    folder.remove("first")
    looks.look()
    folder.write_text("t2", "version: 2\n")
    looks.look()
    (root / "t3.yaml").rename(root / "moved.yaml")
    looks.look()
    (root / "t4").mkdir()
    looks.look()


def test_a_unit_that_is_as_it_was_is_not_judged_again(root: Path) -> None:
    reader, judge = Reader(), Judge(REGISTRY)
    first = judge.judge("x", reader.read(Place(root).listed()), NOTHING, BUILT_IN)
    (root / "t1.yaml").write_text((root / "t1.yaml").read_text().replace('"A1"', '"Other"'))
    second = judge.judge("x", reader.read(Place(root).listed()), NOTHING, BUILT_IN)
    same = {unit for unit, slice_ in second.desired.units.items() if slice_ is first.desired.units[unit]}
    assert first.desired.units.keys() - same == {"t1"}
