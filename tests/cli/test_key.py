"""`reconciler key new`: a new key signs, older ones stay, and none of them is ever shown or lost."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from reconciler.core.token import TokenKey, parse_keys
from tests.cli.conftest import Reconciler


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the keys are kept, in the working directory's secrets."""
    return tmp_path / "secrets" / "main" / "token-keys"


def keys(file: Path) -> tuple[TokenKey, ...]:
    return parse_keys(file.read_text("ascii"))


def test_the_first_key_is_made_where_the_secrets_are(reconciler: Reconciler, file: Path) -> None:
    answer = reconciler("key", "new")
    (made,) = keys(file)
    assert answer.code == 0
    assert f"key {made.kid} signs from now on" in answer.out
    assert "0 older" in answer.out


def test_a_new_key_comes_first_and_older_ones_stay(reconciler: Reconciler, file: Path) -> None:
    for _ in range(3):
        before = keys(file) if file.exists() else ()
        reconciler("key", "new")
        made, *older = keys(file)
        assert tuple(older) == before
        assert made.kid not in {key.kid for key in before}
    assert len({key.secret for key in keys(file)}) == 3


def test_only_its_owner_can_read_the_keys(reconciler: Reconciler, file: Path) -> None:
    reconciler("key", "new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_key_is_never_shown(reconciler: Reconciler, file: Path) -> None:
    answer = reconciler("key", "new")
    (line,) = file.read_text("ascii").split("\n")[:-1]
    secret = line.rpartition(":")[2].split()[-1]
    assert len(secret) > 20
    assert secret not in answer.out + answer.err


def test_nothing_but_the_keys_lies_there_afterwards(reconciler: Reconciler, file: Path) -> None:
    reconciler("key", "new")
    reconciler("key", "new")
    assert list(file.parent.iterdir()) == [file]


def test_another_folder_can_be_named(reconciler: Reconciler, tmp_path: Path) -> None:
    reconciler("key", "new", "--secrets", str(tmp_path / "vault"))
    assert len(keys(tmp_path / "vault" / "main" / "token-keys")) == 1


def test_a_key_from_the_environment_is_not_written_into_the_file(
    reconciler: Reconciler, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler("key", "new", "--secrets", str(tmp_path / "elsewhere"))
    other = (tmp_path / "elsewhere" / "main" / "token-keys").read_text("ascii")
    monkeypatch.setenv("RECONCILER_SECRET__MAIN__TOKEN_KEYS", other)
    reconciler("key", "new")
    assert len(keys(file)) == 1
    assert keys(file) != parse_keys(other)


@pytest.mark.parametrize(
    "content", [b"no key at all\n", b"\xff\xfe\n", b"x" * 70_000], ids=["no key", "no text", "too large"]
)
def test_a_file_that_cannot_be_read_as_keys_is_left_as_it_is(
    reconciler: Reconciler, file: Path, content: bytes
) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    answer = reconciler("key", "new")
    assert answer.code == 1
    assert "keys" in answer.err
    assert content[:20].decode("latin-1") not in answer.err
    assert file.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_unavailable(reconciler: Reconciler, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("not a folder")
    answer = reconciler("key", "new")
    assert answer.code == 75
    assert "cannot write" in answer.err


def test_without_a_word_it_is_a_usage_error(reconciler: Reconciler) -> None:
    assert reconciler("key").code == 64
