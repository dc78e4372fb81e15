"""Commands run in this process, in a fresh working directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from tests.folders import Folder, system
from tests.states import account


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Reconciler = Callable[..., Answer]


@pytest.fixture
def reconciler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Reconciler:
    """Run `reconciler` with these arguments."""
    monkeypatch.chdir(tmp_path)
    for name in ("ACCOUNTS", "STATE", "SECRETS"):
        monkeypatch.delenv(f"RECONCILER_{name}", raising=False)

    def answer(*arguments: str) -> Answer:
        code = run(arguments)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return answer


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """`accounts.d` with the main accounts and acme: two inbound accounts and a reply account."""
    made = Folder(tmp_path / "accounts.d")
    made.write("acme", account("a"), account("b"), system("reply"))
    return made
