"""The import contract is kept, each import it forbids turns `lint-imports` red by itself, and pure code is pure."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("imports")
"""In one process: what its tests share takes long to make."""

ROOT = Path(__file__).parents[1]

_CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]
_FORBIDDEN: list[str] = next(
    c["forbidden_modules"] for c in _CONTRACTS if "reconciler.core" in c.get("source_modules", ())
)

_NEVER_IMPORTS = {
    "core": ("report", "protocol", "store", "source", "runtime", "demo", "cli"),
    "protocol": ("store", "source", "report", "runtime", "demo", "cli"),
    "store": ("protocol", "source", "report", "runtime", "demo", "cli"),
    "source": ("protocol", "store", "report", "runtime", "demo", "cli"),
    "report": ("store", "protocol", "source", "runtime", "demo", "cli"),
    "runtime": ("demo", "cli"),
    "demo": ("cli",),
}

_IO = {
    *("asyncio", "fcntl", "http", "imapclient", "imaplib", "io", "logging", "multiprocessing", "os", "pathlib"),
    *("random", "secrets", "select", "shutil", "signal", "smtplib", "socket", "sqlalchemy", "sqlite3", "ssl"),
    *("structlog", "subprocess", "sys", "tempfile", "threading", "time", "typer", "watchfiles"),
}
"""What the contract must name at the least: whoever takes one of them out of it removes it here too."""

_PLANTS = {
    **{f"{low}-{high}": (low, f"import reconciler.{high}") for low, highs in _NEVER_IMPORTS.items() for high in highs},
    **{f"{pure}-{module}": (pure, f"import {module}") for pure in ("core", "report") for module in _FORBIDDEN},
    "core-os-in-a-function": ("core", "def path() -> None:\n    from os import path"),
    "core-os-for-types": ("core", "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import os"),
    "core-store-in-a-function": ("core", "def late() -> None:\n    from reconciler.store.database import Store"),
    "core-concurrent.futures": ("core", "from concurrent.futures import Future"),
}

_LINT = """
import contextlib, io, json, sys
from pathlib import Path
from importlinter.cli import lint_imports

def lint():
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = lint_imports(config_filename="pyproject.toml", cache_dir="cache")
    return code, said.getvalue()

answers = {"clean": lint()}
for name, (package, statement) in json.load(sys.stdin).items():
    planted = Path("reconciler", package, "planted.py")
    planted.write_text(statement + "\\n")
    answers[name] = lint()
    planted.unlink()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit code and report of `lint-imports` over a copy of the package: clean, and with each plant alone in it."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "reconciler", folder / "reconciler", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    command = [sys.executable, "-W", "ignore", "-c", _LINT]
    done = subprocess.run(command, cwd=folder, input=json.dumps(_PLANTS), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found


def test_the_package_keeps_the_contract(answers: dict[str, tuple[int, str]]) -> None:
    code, report = answers["clean"]
    assert code == 0, report
    assert "0 broken" in report


@pytest.mark.parametrize("plant", _PLANTS)
def test_each_forbidden_import_breaks_the_contract_by_itself(answers: dict[str, tuple[int, str]], plant: str) -> None:
    code, report = answers[plant]
    package, statement = _PLANTS[plant]
    words = statement.rpartition("\n")[2].split()
    imported = words[1] if words[1].startswith("reconciler") else words[1].partition(".")[0]
    named = [line for line in report.splitlines() if f"reconciler.{package}.planted" in line and imported in line]
    assert code != 0
    assert named, report


def test_the_contract_forbids_every_way_out() -> None:
    assert set(_FORBIDDEN) >= _IO


_PURE_STANDARD_LIBRARY = {
    *("__future__", "base64", "binascii", "codecs", "collections", "dataclasses", "datetime", "difflib", "email"),
    *("enum", "functools", "hashlib", "hmac", "html", "itertools", "json", "re", "struct", "types", "typing"),
    # Both are tables: of characters, and of what a zone's clocks show at an instant that is given.
    *("unicodedata", "urllib.parse", "zoneinfo"),
}
_IMPURE_CALLS = {
    **dict.fromkeys(("open", "print", "input", "breakpoint", "exec", "eval", "__import__"), "I/O or foreign code"),
    **dict.fromkeys(("now", "utcnow", "today", "localtime", "gmtime", "monotonic", "formatdate"), "the clock"),
    **dict.fromkeys(("make_msgid", "random", "choice", "shuffle", "token_bytes", "uuid4"), "randomness"),
}
_PURE_MODULES = sorted(p for package in ("core", "report") for p in (ROOT / "reconciler" / package).rglob("*.py"))


def impurities(source: str) -> Iterator[str]:
    """The calls and imports in a module's text that pure code does not make."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
            # A date given is no clock read.
            if called in _IMPURE_CALLS and not (called == "formatdate" and node.args):
                yield f"line {node.lineno}: {called}() is {_IMPURE_CALLS[called]}"
        for module in imported(node):
            top = module.partition(".")[0]
            if top in sys.stdlib_module_names and not {top, module} & _PURE_STANDARD_LIBRARY:
                yield f"line {getattr(node, 'lineno', 0)}: import {module}"


def imported(node: ast.AST) -> list[str]:
    """The modules an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


@pytest.mark.parametrize("path", _PURE_MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_pure_modules_ask_for_no_clock_chance_or_file(path: Path) -> None:
    assert list(impurities(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import UTC, datetime\ndatetime.now(UTC)",
        "import datetime\ndatetime.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "open('x')",
        "print('x')",
        "input()",
        "import codecs\ncodecs.open('x')",
        "from email.utils import formatdate\nformatdate()",
        "from email.utils import make_msgid\nmake_msgid()",
        "import time",
        "from random import random",
        "import uuid",
        "import urllib.request",
        "from importlib import resources",
    ],
)
def test_an_impurity_is_found(source: str) -> None:
    assert len(list(impurities(source))) == 1
