"""A protocol of another package: found by its entry point, known to every command, fetched like the built-in ones."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from reconciler.cli.compose import plugins
from reconciler.core.errors import Invalid
from tests.world import World, mail

PACKAGE = Path(__file__).parent / "spool"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """The folder that the plug-in reads."""
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def plugged(world: World) -> World:
    """The program with the plug-in beside it: its files and its dist-info lie on the path, as pip would lay them."""
    world.environment["PYTHONPATH"] += os.pathsep + str(PACKAGE)
    return world


def account(world: World, folder: Path, /, **keys: Any) -> dict[str, Any]:
    made = world.account("support", world.fresh(), **keys)
    del made["imap"]
    block = {"path": str(folder), "after_fetch": "delete", "start": "all", **keys.pop("spool", {})}
    own = {"channel": "fax", "settings": {"fax": {"line": "+4930123456"}}}
    return {**made, "protocol": "spool", **own, **keys, "spool": block}


def findings(world: World) -> set[tuple[str, str]]:
    """Code and pointer of every error that validate names."""
    found = world.json("validate", check=(0, 1))["findings"]
    return {(f["code"], f["pointer"]) for f in found if f["severity"] == "error"}


def test_a_good_file_has_no_finding(plugged: World, spool: Path) -> None:
    plugged.unit("acme", account(plugged, spool))
    assert findings(plugged) == set()


@pytest.mark.parametrize(
    ("keys", "finding"),
    [
        ({"spool": {"after_fetch": "burn"}}, ("E204", "/accounts/0/spool/after_fetch")),
        ({"spool": {"paht": "/x"}}, ("E201", "/accounts/0/spool/paht")),
        ({"channel": "telex"}, ("E211", "/accounts/0/channel")),
        ({"type": "reply"}, ("E211", "/accounts/0/channel")),
        ({"settings": {"fax": {"line": "none"}}}, ("E316", "/accounts/0/settings/fax/line")),
        ({"settings": {"fax": {}}}, ("E316", "/accounts/0/settings/fax")),
        ({"settings": {"somebody-elses": {"line": "none"}}}, None),
    ],
    ids=[
        *("value", "unknown key", "unknown channel", "channel of a system account", "value of its settings"),
        *("missing in its settings", "settings of nobody"),
    ],
)
def test_what_the_plug_ins_models_refuse_is_a_finding(
    plugged: World, spool: Path, keys: dict[str, Any], finding: tuple[str, str] | None
) -> None:
    plugged.unit("acme", account(plugged, spool, **keys))
    assert findings(plugged) == ({finding} if finding else set())


def test_without_the_plug_in_its_protocol_and_channel_are_unknown(world: World, spool: Path) -> None:
    world.unit("acme", account(world, spool))
    assert {code for code, _ in findings(world)} == {"E201"}


def test_the_schema_has_its_block_its_channel_and_its_settings(plugged: World, spool: Path) -> None:
    schema = json.loads(plugged.command("schema").stdout)
    file = {"version": 1, "tenant": "acme", "accounts": [account(plugged, spool)]}
    assert Draft7Validator(schema).is_valid(file)
    for keys in ({"spool": {"paht": "/x"}}, {"channel": "telex"}, {"settings": {"fax": {"line": "none"}}}):
        file["accounts"] = [account(plugged, spool, **keys)]
        assert not Draft7Validator(schema).is_valid(file), keys


def test_the_plan_shows_its_settings_with_their_consequences(plugged: World, spool: Path) -> None:
    kept = account(plugged, spool, spool={"after_fetch": "keep"})
    plugged.unit("acme", kept)
    plugged.command("apply")
    deleted = kept["spool"] | {"after_fetch": "delete"}
    plugged.unit("acme", kept | {"spool": deleted, "settings": {"fax": {"line": "+4930999999"}}})
    [tenant] = plugged.json("plan")["tenants"]
    fields = {field["path"]: field for change in tenant["changes"] for field in change["fields"]}
    assert (fields["spool.after_fetch"]["old"], fields["spool.after_fetch"]["new"]) == ("keep", "delete")
    assert fields["settings.fax.line"]["new"] == "+4930999999"
    assert {change["consequence"] for change in tenant["changes"] if change["account"]} == {"destructive"}


def test_its_mails_arrive_and_become_cases(plugged: World, spool: Path) -> None:
    plugged.unit("acme", account(plugged, spool))
    plugged.command("apply")
    for number in range(4):
        (spool / f"{number}.eml").write_bytes(mail("c@customer.example", "fax@acme.example", f"Fax {number}"))
    steps = [line for line in plugged.ndjson("fetch", "--drain") if line["account"] == "support"]
    assert [(s["protocol"], s["taken"], s["backlog"], s["error"]) for s in steps] == [
        ("spool", 3, 1, None),
        ("spool", 1, 0, None),
    ]
    assert sorted(case["subject"] for case in plugged.json("cases")["cases"]) == [f"Fax {n}" for n in range(4)]
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize(
    ("brings", "words"),
    [
        ("channels=frozenset({'fax'})", "takes the channel 'fax', which the protocol 'spool' has"),
        ("settings_models={'fax': IMAP.settings}", "takes the settings key 'fax', which the protocol 'spool' has"),
        ("channels=frozenset({'email'})", "takes the channel 'email'"),
        ("channels=frozenset({'Fax line'})", "brings the name 'Fax line'"),
    ],
    ids=["channel", "settings key", "email", "name"],
)
def test_what_two_plug_ins_claim_is_told_with_both_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brings: str, words: str
) -> None:
    info = tmp_path / "gateway-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gateway\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[reconciler.protocols]\ngateway = gateway_plugin:PLUGIN\n")
    (tmp_path / "gateway_plugin.py").write_text(
        "from dataclasses import replace\nfrom reconciler.protocol.imap_settings import IMAP\n"
        f"PLUGIN = replace(IMAP, name='gateway', {brings})\n"
    )
    for folder in (PACKAGE, tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    for module in ("gateway_plugin", "spool_settings"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(Invalid) as caught:
        plugins()
    told = str(caught.value).replace("'spool'", "X").replace("'gateway'", "X", 2)
    assert words.replace("'spool'", "X") in told
