"""docs/operations.md has an entry for each condition, and names the metrics that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.core.health import Condition
from reconciler.core.heartbeat import Loop
from reconciler.runtime.heartbeat import Heartbeats
from reconciler.runtime.metrics import Metrics
from reconciler.store.database import open_store
from tests.docs.pages import codes, fences, page, rows

OPERATIONS = page("docs/operations.md")


def test_each_condition_has_an_entry_and_each_entry_is_a_condition() -> None:
    headings = OPERATIONS.headings()
    entries = headings[headings.index("Conditions") + 1 :]
    assert entries == [condition.value for condition in Condition]


def test_each_entry_says_what_to_look_at_and_what_to_do() -> None:
    for condition in Condition:
        text = OPERATIONS.section(condition.value)
        assert condition is Condition.OK or ("- Look at: " in text and "- Do: " in text), condition


def exposed(tmp_path: Path) -> set[str]:
    """The names of all metrics."""
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}", create=True)
    text = Metrics(store, Heartbeats(dict.fromkeys(Loop, 1.0))).text().decode()
    store.close()
    return set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


RULES = YAML(typ="safe").load(OPERATIONS.path.with_name("alerts.rules.yaml"))["groups"][0]["rules"]


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_rule_asks_for_metrics_that_exist_and_says_what_is_wrong(rule: Any, tmp_path: Path) -> None:
    asked = set(re.findall(r"\breconciler_[a-z_]+", rule["expr"]))
    assert asked <= exposed(tmp_path)
    assert asked or "up{" in rule["expr"]
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert re.fullmatch(r"[0-9]+[mh]", rule["for"])
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


def test_each_alert_rule_has_its_row_and_each_row_a_rule() -> None:
    said = [(codes(row[0])[0], row[1]) for row in rows(OPERATIONS.section("Alarms"), "alarm")]
    assert said == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]


def test_each_metric_is_named_and_each_that_is_named_exists(tmp_path: Path) -> None:
    shown = exposed(tmp_path)
    said = {code for row in rows(OPERATIONS.section("Health and metrics"), "metric") for code in codes(row[0])}
    assert said == {name for name in shown if not name.endswith("_created")}


def test_what_to_ask_whether_it_fetches_exists_in_status_and_metrics(tmp_path: Path) -> None:
    asked = rows(OPERATIONS.section("Is it fetching?"), "question")
    reference = page("docs/reference.md").section("`reconciler status`")
    for _, keys, metrics in asked:
        assert set(codes(keys)) <= set(codes(reference))
        assert set(re.findall(r"\breconciler_[a-z_]+", metrics)) <= exposed(tmp_path)
        assert codes(keys)
        assert codes(metrics)


def test_the_alarm_on_an_account_that_stopped_is_the_rule_as_it_stands() -> None:
    [block] = [f.text for f in fences(OPERATIONS.section("Is it fetching?")) if f.language == "promql"]
    [rule] = [rule for rule in RULES if rule["alert"] == "ReconcilerFetchingStopped"]
    assert block.split() == rule["expr"].split()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Debian's package prometheus")
def test_the_alarms_on_fetching_fire_for_accounts_that_stopped_and_for_no_others(tmp_path: Path) -> None:
    rules = OPERATIONS.path.with_name("alerts.rules.yaml")
    played = tmp_path / "alerts.test.yaml"
    text = Path(__file__).with_name("alerts.test.yaml").read_text(encoding="utf-8")
    played.write_text(text.replace("[RULES]", f"['{rules}']"), encoding="utf-8")
    for words in (["check", "rules", str(rules)], ["test", "rules", str(played)]):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
