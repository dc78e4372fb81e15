"""Whatever one tenant's file is or holds: it is named with the way to mend it, holds its tenant, and nobody else."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reconciler.core.errors import Unavailable
from reconciler.core.finding import Severity
from tests.runtime.accounts_folder import Folder, account, tenant

GOOD = tenant(account(more="weight: 5"))
NOBODY = 65534
CONFLICTS = {
    "a conflict": "version: 1\n<<<<<<< HEAD\nweight: 5\n=======\nweight: 7\n>>>>>>> feature\n",
    "a conflict with its base": "<<<<<<< ours\na: 1\n||||||| 0b7c1\na: 2\n=======\na: 3\n>>>>>>> theirs\n",
    "a conflict inside braces, which YAML would take": (
        '{"version": 1,\n<<<<<<< HEAD\n"b": 2,\n=======\n"b": 3,\n>>>>>>> x\n"tenant": "acme"}\n'
    ),
    "a conflict of which one marker is left": f"{GOOD}>>>>>>> feature\n",
    "a conflict with Windows line ends": "version: 1\r\n<<<<<<< HEAD\r\na: 1\r\n=======\r\n>>>>>>> x\r\n",
}


@pytest.fixture
def folder() -> Iterator[Folder]:
    """An accounts folder that another user may enter: pytest's own folders are closed, and shared by its processes."""
    with TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        yield Folder(Path(outer) / "accounts.d").write("acme.yaml", GOOD).write("globex.yaml", tenant(name="globex"))


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """The body as the folder's owner without further rights; root gives its own up for so long."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, -1, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Put something else where the tenant's file was."""

    def arrange(file: Path) -> None:
        file.unlink()
        make(file)

    return arrange


def holding(data: bytes | str) -> Callable[[Path], object]:
    """Let the tenant's file hold this."""
    return lambda file: file.write_bytes(data.encode() if isinstance(data, str) else data)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, pytest.MonkeyPatch.context() as there:
        there.chdir(path.parent)  # an address has 108 bytes at most
        listening.bind(path.name)


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this user may not make devices")


def _outside(path: Path) -> None:
    target = path.parents[1] / "elsewhere.yaml"
    target.write_text(GOOD)
    path.symlink_to(target)


BAD = [
    pytest.param(holding("a: 1\nb: caf\xe9\n".encode("latin-1")), "E003", 2, "UTF-8", id="non-UTF-8 content"),
    pytest.param(holding(GOOD.encode("utf-16")), "E003", 1, "UTF-8", id="UTF-16"),
    pytest.param(holding("version: 1\ntenant:\n\tacme\n"), "E004", 3, "tab", id="tab"),
    pytest.param(holding(b"a: " + b"x" * 5_000_000), "E002", 1, "5000003 bytes", id="5 MB"),
    pytest.param(instead(os.mkfifo), "E110", 1, "pipe, socket or device", id="FIFO"),
    pytest.param(instead(_socket), "E110", 1, "pipe, socket or device", id="socket"),
    pytest.param(instead(_device), "E110", 1, "pipe, socket or device", id="device"),
    pytest.param(instead(_outside), "E110", 1, "leads out of the accounts folder", id="symlink out of the folder"),
    pytest.param(instead(lambda p: p.symlink_to("gone")), "E110", 1, "leads nowhere", id="dead symlink"),
    pytest.param(instead(lambda p: p.symlink_to("/dev/zero")), "E110", 1, "leads out", id="symlink to a device"),
    pytest.param(lambda p: p.chmod(0), "E001", 1, "check its permissions", id="permission lost"),
    *(
        pytest.param(holding(text), "E004", text.count("\n", 0, text.find(mark)) + 1, "merge conflict", id=name)
        for name, text in CONFLICTS.items()
        for mark in ("<<<<<<< " if "<<<<<<< " in text else ">>>>>>> ",)
    ),
]


@pytest.mark.parametrize(("arrange", "code", "line", "words"), BAD)
def test_a_bad_file_holds_its_tenant_and_says_how_to_mend_it(
    folder: Folder, arrange: Callable[[Path], object], code: str, line: int, words: str
) -> None:
    arrange(folder.root / "acme.yaml")
    with without_rights(folder.root):
        reading = folder.read()
    (found,) = [f for f in reading.findings if f.severity is Severity.ERROR]
    assert (found.file, found.code, found.line, found.unit) == ("acme.yaml", code, line, "acme")
    assert words in found.message
    assert (set(reading.desired.units), reading.desired.held) == ({"main", "globex"}, {"acme"})


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="BOM"),
        pytest.param(lambda text: text.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda text: text + b"# <<<<<<< HEAD\n#\n", id="a marker in a comment"),
        pytest.param(lambda text: text.replace(b"name: support", b"name: '<<<<<<< HEAD'"), id="a marker in a value"),
    ],
)
def test_what_only_looks_bad_changes_nothing(folder: Folder, write: Callable[[bytes], bytes]) -> None:
    before = folder.read()
    (folder.root / "acme.yaml").write_bytes(write(GOOD.encode()))
    after = folder.read()
    assert (after.desired.units.keys(), after.findings) == (before.desired.units.keys(), before.findings)


def test_a_name_that_is_not_utf_8_holds_the_tenant_whose_folder_it_is_in(folder: Folder) -> None:
    folder.write("initech/tenant.yaml", tenant(name="initech"))
    Path(os.fsdecode(os.fsencode(folder.root) + b"/initech/caf\xe9.yaml")).write_text("version: 1\n")
    reading = folder.read()
    (found,) = [f for f in reading.findings if f.severity is Severity.ERROR]
    assert (found.file, found.code) == ("initech/caf\\xe9.yaml", "E111")
    assert reading.desired.held == {"initech"}


@pytest.mark.parametrize("name", ["globex", "globex/tenant.yaml"])
def test_a_folder_without_permission_holds_its_tenant(folder: Folder, name: str) -> None:
    (folder.root / "globex.yaml").unlink()
    folder.write("globex/tenant.yaml", tenant(name="globex"))
    (folder.root / name).chmod(0)
    with without_rights(folder.root):
        reading = folder.read()
    assert [(f.file, f.code) for f in reading.findings if f.severity is Severity.ERROR] == [(name, "E001")]
    assert (set(reading.desired.units), reading.desired.held) == ({"main", "acme"}, {"globex"})
    (folder.root / name).chmod(0o700)


def test_an_accounts_folder_without_permission_is_unavailable_not_empty(folder: Folder) -> None:
    folder.root.chmod(0)
    with without_rights(folder.root), pytest.raises(Unavailable, match="cannot be listed"):
        folder.read()
    folder.root.chmod(0o700)
