"""`reconciler new`: an account is added as a person would, or not at all."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Reconciler

FILE = """\
# our own words
version: 1
tenant: acme
accounts:
  - id: support   # the first
    name: 'Support'
    type: inbound
    address: support@acme.example
    protocol: imap
    imap: { host: mail.acme.example,  username: support, password: {secret: support} }
    # weight: 5

# nothing yet
routing: []
"""
SALES = ("--id", "sales", "--name", "Sales", "--type", "inbound", "--address", "sales@acme.example")
SERVER = ("--host", "mail.acme.example", "--username", "sales")


@pytest.fixture
def acme(reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with tenant acme's file; standard input is no terminal."""
    reconciler("init", ".")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    file = Path("accounts.d/acme.yaml")
    file.write_text(FILE)
    return file


def test_an_account_is_put_behind_the_others(reconciler: Reconciler, acme: Path) -> None:
    answer = reconciler("new", "--tenant", "acme", *SALES, *SERVER, "--port", "993", "--weight", "7")
    assert (answer.code, answer.out) == (
        0,
        "added acme/sales to accounts.d/acme.yaml\nsecret to provide: secrets/acme/sales\n",
    )
    added = (
        "\n  - id: sales\n    name: Sales\n    type: inbound\n    address: sales@acme.example\n    weight: 7\n"
        "    protocol: imap\n"
        "    imap: {host: mail.acme.example, port: 993, username: sales, password: {secret: sales}}\n"
    )
    assert acme.read_text() == FILE.replace("    # weight: 5\n", f"    # weight: 5\n{added}")
    assert reconciler("validate").code == 0


def test_a_system_account_sends_with_its_own_login(reconciler: Reconciler, acme: Path) -> None:
    words = ("--id", "experts", "--name", "Acme", "--type", "reply", "--address", "experts@acme.example")
    answer = reconciler(
        *("new", "--tenant", "acme", *words, "--host", "mail.acme.example", "--username", "experts"),
        *("--smtp-host", "smtp.acme.example", "--smtp-port", "587", "--smtp-security", "starttls"),
    )
    assert answer.code == 0
    assert (
        "    smtp: {host: smtp.acme.example, port: 587, security: starttls, username: experts, "
        "password: {secret: experts}}\n"
    ) in acme.read_text()


def test_a_maildir_has_a_path_and_no_server(reconciler: Reconciler, acme: Path) -> None:
    assert reconciler("new", "--tenant", "acme", *SALES, "--protocol", "maildir", "--path", "/srv/sales").code == 0
    assert "    protocol: maildir\n    maildir: {path: /srv/sales}\n" in acme.read_text()
    assert reconciler("new", "--tenant", "acme", *SALES, "--protocol", "maildir").err.count("--path") == 1


def test_a_tenant_without_a_file_gets_one(reconciler: Reconciler, acme: Path) -> None:
    assert reconciler("new", "--tenant", "umbrella", *SALES, *SERVER).code == 0
    assert "tenant: umbrella\n" in Path("accounts.d/umbrella.yaml").read_text()
    assert reconciler("validate").code == 0


def test_in_a_tenants_folder_it_gets_a_file_of_its_own(reconciler: Reconciler, acme: Path) -> None:
    folder = Path("accounts.d/acme")
    folder.mkdir()
    acme.rename(folder / "tenant.yaml")
    assert reconciler("new", "--tenant", "acme", *SALES, *SERVER).code == 0
    assert (folder / "tenant.yaml").read_text() == FILE
    assert "schemas/tenant.schema.json" in (folder / "sales.yaml").read_text()
    assert reconciler("validate").code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--id", "support", *SALES[2:], *SERVER], "E301"),
        ([*SALES[:6], "--address", "support@acme.example", *SERVER], "E303"),
        ([*SALES, "--host", "mail.acme.example", "--username", "support"], "E302"),
        ([*SALES, *SERVER, "--port", "0"], "E204"),
        ([*SALES, *SERVER, "--security", "none"], "E309"),
        ([*SALES, *SERVER, "--send-from", "nobody"], "E306"),
    ],
    ids=["id", "address", "mailbox", "port", "security", "send_from"],
)
def test_what_would_not_be_valid_is_not_written(
    reconciler: Reconciler, acme: Path, words: list[str], code: str
) -> None:
    answer = reconciler("new", "--tenant", "acme", *words)
    assert (answer.code, acme.read_text()) == (1, FILE)
    assert code in answer.err
    assert sorted(p.name for p in acme.parent.iterdir()) == ["acme.yaml", "main.yaml"]


def test_a_file_with_errors_is_not_touched(reconciler: Reconciler, acme: Path) -> None:
    acme.write_text(broken := FILE + "surplus: 1\n")
    answer = reconciler("new", "--tenant", "acme", *SALES, *SERVER)
    assert (answer.code, acme.read_text()) == (1, broken)
    assert "E201" in answer.err


def test_errors_of_another_tenant_are_no_obstacle(reconciler: Reconciler, acme: Path) -> None:
    Path("accounts.d/broken.yaml").write_text("version: [")
    assert reconciler("new", "--tenant", "acme", *SALES, *SERVER).code == 0


def test_without_a_terminal_what_is_missing_is_named_at_once(reconciler: Reconciler, acme: Path) -> None:
    answer = reconciler("new", "--tenant", "acme", "--id", "experts", "--type", "reply", "--host", "x.example")
    assert (answer.code, acme.read_text()) == (64, FILE)
    assert "give --name, --address, --username, --smtp-host" in answer.err


@pytest.mark.parametrize(
    "words",
    [["--tenant", "main"], ["--tenant", "A"], ["--protocol", "smoke"], ["--type", "replying"]],
    ids=" ".join,
)
def test_what_cannot_be_is_a_usage_error(reconciler: Reconciler, acme: Path, words: list[str]) -> None:
    assert reconciler("new", "--tenant", "acme", *SALES, *SERVER, *words).code == 64


def test_without_an_accounts_folder_it_says_what_to_do_first(reconciler: Reconciler) -> None:
    answer = reconciler("new", "--tenant", "acme", *SALES, *SERVER)
    assert answer.code == 78
    assert "reconciler init" in answer.err


def test_the_files_mode_stays(reconciler: Reconciler, acme: Path) -> None:
    acme.chmod(0o640)
    reconciler("new", "--tenant", "acme", *SALES, *SERVER)
    assert acme.stat().st_mode & 0o777 == 0o640


def test_on_a_terminal_it_asks(reconciler: Reconciler, acme: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "new", "--tenant", "acme"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=tmp_path,
        text=True,
    )
    os.write(ours, b"sales\nSales\n\nsales@acme.example\nmail.acme.example\nsales\n\n\n")
    out, asked = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert (process.returncode, out.splitlines()[0].strip()) == (0, "added acme/sales to accounts.d/acme.yaml"), asked
    assert "E-mail address" in asked
    assert "imap: {host: mail.acme.example, username: sales, password: {secret: sales}}" in acme.read_text()
