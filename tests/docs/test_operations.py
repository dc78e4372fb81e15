"""docs/operations.md has an entry for each condition, and names the metrics that exist."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.core.health import Condition
from reconciler.core.heartbeat import Loop
from reconciler.runtime.heartbeat import Heartbeats
from reconciler.runtime.metrics import Metrics
from reconciler.store.database import open_store
from tests.docs.pages import codes, page, rows

OPERATIONS = page("docs/operations.md")


def test_each_condition_has_an_entry_and_each_entry_is_a_condition() -> None:
    headings = OPERATIONS.headings()
    entries = headings[headings.index("Conditions") + 1 :]
    assert entries == [condition.value for condition in Condition]


def test_each_entry_says_what_to_look_at_and_what_to_do() -> None:
    for condition in Condition:
        text = OPERATIONS.section(condition.value)
        assert condition is Condition.OK or ("- Look at: " in text and "- Do: " in text), condition


def test_each_metric_is_named_and_each_that_is_named_exists(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}", create=True)
    text = Metrics(store, Heartbeats(dict.fromkeys(Loop, 1.0))).text().decode()
    store.close()
    shown = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    said = {code for row in rows(OPERATIONS.section("Health and metrics"), "metric") for code in codes(row[0])}
    assert said == {name for name in shown if not name.endswith("_created")}
