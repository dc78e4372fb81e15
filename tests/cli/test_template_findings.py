"""What a tenant's template may not say is a finding with its line; it is never run."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.template import ALLOWED_NAMES
from tests.cli.conftest import Reconciler
from tests.folders import Folder
from tests.states import account

TRICKS: dict[str, tuple[str, int]] = {
    "size": ("Hello\n\n{{ 'a'*200000000 }}\n", 3),
    "class": ("{{ ''.__class__ }}\n", 1),
    "attribute": ("a\nb {{ text.__class__.__mro__ }}\n", 2),
    "item": ("{{ text['__class__'] }}", 1),
    "filter": ("one\ntwo {{ text|upper }}", 2),
    "macro": ("{% macro m() %}x{% endmacro %}", 1),
    "include": ("x\n{% include '/etc/passwd' %}", 2),
    "import": ("{% import 'os' as os %}", 1),
    "call": ("\n\n\n{{ text.format(1) }}", 4),
    "set": ("{% set x = text %}", 1),
    "unknown name": ("{{ password }}", 1),
}


def errors(reconciler: Reconciler) -> list[dict[str, Any]]:
    """The errors that validate names."""
    found = reconciler("validate", "accounts.d", "--format", "json").json["findings"]
    return [f for f in found if f["severity"] == "error"]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_is_a_finding_with_its_line_in_each_template(
    reconciler: Reconciler, folder: Folder, trick: str
) -> None:
    text, line = TRICKS[trick]
    folder.write("acme", account("a"), templates={name: {"subject": "s", "text": text} for name in ALLOWED_NAMES})
    found = errors(reconciler)
    assert {(f["code"], f["pointer"]) for f in found} == {("E312", f"/templates/{n}/text") for n in ALLOWED_NAMES}
    assert {f["message"].partition(": ")[0] for f in found} == {f"line {line} of the text"}
    written = (folder.root / "acme.yaml").read_text().splitlines()
    assert all('"text":' in written[f["line"] - 1] for f in found)


def test_a_trick_in_the_subject_is_one_too(reconciler: Reconciler, folder: Folder) -> None:
    folder.write("acme", account("a"), templates={"reply": {"subject": "{{ 'a'*200000000 }}", "text": "x"}})
    (found,) = errors(reconciler)
    assert (found["code"], found["pointer"]) == ("E312", "/templates/reply/subject")


def test_nothing_of_it_is_applied(reconciler: Reconciler, folder: Folder) -> None:
    folder.write("acme", account("a"), templates={"reply": {"subject": "s", "text": "{{ 'a'*200000000 }}"}})
    assert reconciler("apply", "accounts.d").code == 1
    assert "acme  held" in reconciler("apply", "accounts.d").out


def test_a_template_there_is_not_is_told(reconciler: Reconciler, folder: Folder) -> None:
    folder.write("acme", account("a"), templates={"farewell": {"subject": "s", "text": "x"}})
    (found,) = errors(reconciler)
    assert found["pointer"].startswith("/templates/farewell")
