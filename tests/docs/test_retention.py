"""docs/retention.md: its keys, its words and its commands are the program's."""

from __future__ import annotations

import re

import pytest
from ruamel.yaml import YAML

from reconciler.cli.main import COMMANDS
from reconciler.core.tenant_settings import Retention
from tests.docs.pages import codes, fences, page, rows
from tests.world import World

RETENTION = page("docs/retention.md")


def test_the_table_has_every_key() -> None:
    listed = [codes(cells[0]) for cells in rows(RETENTION.text, "key")]
    assert listed == [[name] for name in Retention.model_fields]


def test_the_keys_are_valid(world: World) -> None:
    (keys,) = [fence.text for fence in fences(RETENTION.text) if fence.language == "yaml"]
    world.unit("acme", world.account("support", world.fresh("support")), **YAML(typ="safe").load(keys))
    assert world.command("validate").stdout.strip().endswith("0 errors, 0 warnings")


@pytest.mark.parametrize("name", ["erase", "retention", "acts"])
def test_the_commands_it_names_exist_with_their_options(name: str) -> None:
    (command,) = [listed.command for listed in COMMANDS if listed.name == name]
    lines = [line.partition("#")[0] for line in RETENTION.text.splitlines() if f"reconciler {name}" in line]
    named = {option for line in lines for option in re.findall(r"--[a-z]+", line)}
    assert lines
    assert named <= {option for parameter in command.params for option in parameter.opts}
