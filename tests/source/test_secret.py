"""Secrets by reference: where they come from, and that nothing leads out of a unit's namespace."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest

from reconciler.core.errors import Invalid
from reconciler.core.health import Condition, Trouble
from reconciler.core.secret import Secret
from reconciler.source.secret import SecretStore, variable_name

VARIABLE = "RECONCILER_SECRET__ACME__SUPPORT_IMAP"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets" / "acme").mkdir(parents=True)
    (tmp_path / "secrets" / "globex").mkdir()
    (tmp_path / "secrets" / "globex" / "support-imap").write_text("theirs")
    return tmp_path / "secrets"


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("canary\n", "canary"),
        ("canary", "canary"),
        ("canary\n\n", "canary\n"),
        ("canary\r\n", "canary"),
        (" c ", " c "),
    ],
)
def test_one_trailing_newline_is_not_part_of_a_secret(folder: Path, stored: str, text: str) -> None:
    (folder / "acme" / "support-imap").write_bytes(stored.encode())
    assert SecretStore(folder, {}).resolve("acme", "support-imap").reveal() == text
    assert SecretStore(None, {VARIABLE: stored}).resolve("acme", "support-imap").reveal() == text


def test_the_environment_comes_before_the_file(folder: Path) -> None:
    (folder / "acme" / "support-imap").write_text("file")
    assert SecretStore(folder, {VARIABLE: "variable"}).resolve("acme", "support-imap").reveal() == "variable"


@pytest.mark.field("secrets")
def test_a_secret_cannot_be_printed_or_carried_away() -> None:
    secret = Secret("canary")
    assert "canary" not in f"{secret} {secret!r} {[secret]} {secret == Secret('canary')}"
    for carry in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            carry(secret)


def test_two_names_never_share_a_variable() -> None:
    assert variable_name("acme", "support-imap") == VARIABLE
    assert variable_name("a-b", "c") != variable_name("a", "b-c")


def test_a_missing_secret_names_both_ways_to_provide_it(folder: Path) -> None:
    with pytest.raises(Trouble) as caught:
        SecretStore(folder, {}).resolve("acme", "support-imap")
    assert caught.value.condition is Condition.SECRET_MISSING
    assert str(folder / "acme" / "support-imap") in str(caught.value)
    assert VARIABLE in str(caught.value)


@pytest.mark.parametrize("name", ["../globex/support-imap", "/etc/passwd", "..", "", "a/b", "A", "a\n", "support_imap"])
def test_a_name_is_never_a_path(folder: Path, name: str) -> None:
    with pytest.raises(Invalid):
        SecretStore(folder, {}).resolve("acme", name)
    with pytest.raises(Invalid):
        SecretStore(folder, {}).resolve(name, "support-imap")


@pytest.mark.parametrize("target", ["../globex/support-imap", "/etc/passwd"])
def test_a_link_out_of_the_namespace_is_refused(folder: Path, target: str) -> None:
    (folder / "acme" / "support-imap").symlink_to(target)
    with pytest.raises(Trouble, match="leads out"):
        SecretStore(folder, {}).resolve("acme", "support-imap")


def test_a_namespace_that_is_a_link_to_another_is_refused(folder: Path) -> None:
    (folder / "initech").symlink_to("globex")
    with pytest.raises(Trouble, match="leads out"):
        SecretStore(folder, {}).resolve("initech", "support-imap")


def test_a_mounted_secret_is_read_through_its_links(folder: Path) -> None:
    (folder / "acme" / "..1").mkdir()
    (folder / "acme" / "..1" / "support-imap").write_text("canary")
    (folder / "acme" / "..data").symlink_to("..1")
    (folder / "acme" / "support-imap").symlink_to("..data/support-imap")
    assert SecretStore(folder, {}).resolve("acme", "support-imap").reveal() == "canary"


@pytest.mark.parametrize(
    ("stored", "words"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"canary\xff", "not UTF-8"), (b"x" * 70_000, "larger")],
)
def test_what_cannot_be_a_secret_counts_as_missing_and_is_not_shown(folder: Path, stored: bytes, words: str) -> None:
    (folder / "acme" / "support-imap").write_bytes(stored)
    with pytest.raises(Trouble, match=words) as caught:
        SecretStore(folder, {}).resolve("acme", "support-imap")
    assert caught.value.condition is Condition.SECRET_MISSING
    assert "canary" not in repr((caught.value, caught.value.__cause__))


def test_a_folder_in_place_of_a_secret_is_trouble(folder: Path) -> None:
    (folder / "acme" / "support-imap").mkdir()
    with pytest.raises(Trouble, match="cannot be read"):
        SecretStore(folder, {}).resolve("acme", "support-imap")
