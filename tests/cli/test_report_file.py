"""`apply --report FILE`: what CI picks up, whole at any instant, whatever came of the tenants."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Reconciler
from tests.folders import Folder
from tests.states import account


def test_the_file_holds_each_tenants_result_and_the_errors_of_those_held(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    folder.write("globex", account("g", weight=0))
    report = tmp_path / "out/report.json"
    done = reconciler("apply", "--report", str(report))
    assert done.code == 1
    told = json.loads(report.read_text())
    results = {t["tenant"]: (t["result"], [f["code"] for f in t["findings"]]) for t in told["tenants"]}
    assert results.keys() == {"main", "acme", "globex"}
    assert results["acme"] == ("applied", [])
    assert results["globex"][0] == "held"
    assert results["globex"][1]
    assert told["at"].endswith("Z")
    assert (told["source"], told["commit"]) == ("accounts.d", None)
    assert [path.name for path in report.parent.iterdir()] == ["report.json"]


def test_a_file_that_cannot_be_written_is_told_after_everything_is_applied(
    reconciler: Reconciler, folder: Folder, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    done = reconciler("apply", "--report", str(tmp_path / "taken/report.json"))
    assert (done.code, "cannot write" in done.err) == (75, True)
    assert reconciler("history", "acme").code == 0
    assert "acme" in reconciler("history", "acme").out
