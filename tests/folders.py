"""Accounts folders for tests, written as files and read by the real reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.states import account


class Folder:
    """An accounts folder with two main accounts; JSON is YAML, so that is what the files hold."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.write("main", system("main-reply"), system("main-second", "second-level-reply"))

    def write(self, unit: str, *accounts: dict[str, Any], **keys: Any) -> None:
        """Write a unit's file, one key a line."""
        tenant = {} if unit == "main" else {"tenant": unit}
        self.write_text(unit, json.dumps({"version": 1, **tenant, "accounts": accounts, **keys}, indent=1))

    def write_text(self, unit: str, text: str) -> None:
        """Write whatever a unit's file should hold."""
        (self.root / f"{unit}.yaml").write_text(text, encoding="utf-8")

    def remove(self, unit: str) -> None:
        """Remove a unit's file."""
        (self.root / f"{unit}.yaml").unlink()


def system(account_id: str, kind: str = "reply", **keys: Any) -> dict[str, Any]:
    """A system account that can send."""
    return account(account_id, kind, smtp={"host": "mail.acme.example"}, **keys)
