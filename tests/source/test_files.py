"""The accounts folder: what lies in it, which unit it belongs to, and what is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable
from reconciler.source.files import Folder, load

TEXT = "version: 1\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "accounts.d"
    (folder / "globex").mkdir(parents=True)
    for name in ("main.yaml", "acme.yaml", "globex/tenant.yaml", "globex/b.yaml", "globex/a.yaml"):
        (folder / name).write_text(TEXT)
    return folder


def found(root: Path) -> list[tuple[str, str, str]]:
    return [(f.file, f.code, f.unit) for f in load(root).findings]


def test_a_tenant_is_a_file_or_a_folder_in_file_name_order(root: Path) -> None:
    loaded = load(root)
    assert found(root) == []
    assert {unit: [d.file for d in files.documents] for unit, files in loaded.units.items()} == {
        "acme": ["acme.yaml"],
        "globex": ["globex/a.yaml", "globex/b.yaml", "globex/tenant.yaml"],
        "main": ["main.yaml"],
    }
    assert loaded.units["globex"].head.file == "globex/tenant.yaml"
    assert loaded.files == 5


@pytest.mark.field("unreadable is not empty")
def test_a_missing_root_is_unavailable_not_empty(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be listed"):
        load(tmp_path / "nothing")


def test_a_root_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "accounts.d").write_text("")
    with pytest.raises(Unavailable, match="cannot be listed"):
        load(tmp_path / "accounts.d")


def _fifo(root: Path) -> None:
    os.mkfifo(root / "pipe.yaml")


def _dead_link(root: Path) -> None:
    (root / "gone.yaml").symlink_to("nowhere.yaml")


def _outside(root: Path) -> None:
    (root.parent / "outside.yaml").write_text(TEXT)
    (root / "out.yaml").symlink_to("../outside.yaml")


def _outside_folder(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root / "out").symlink_to("../outside")


def _both(root: Path) -> None:
    (root / "globex.yaml").write_text(TEXT)


def _nested(root: Path) -> None:
    (root / "globex" / "deep").mkdir()


def _large(root: Path) -> None:
    (root / "big.yaml").write_bytes(b"a: " + b"x" * 5_000_000)


def _loop(root: Path) -> None:
    (root / "loop.yaml").symlink_to("loop.yaml")


@pytest.mark.parametrize(
    ("arrange", "finding"),
    [
        pytest.param(lambda r: (r / "x.yml").write_text(TEXT), ("x.yml", "E101", "x"), id="yml"),
        pytest.param(
            lambda r: (r / "globex/x.yml").write_text(TEXT), ("globex/x.yml", "E101", "globex"), id="yml in a folder"
        ),
        pytest.param(lambda r: (r / "x.YAML").write_text(TEXT), ("x.YAML", "E101", "x"), id="upper-case ending"),
        pytest.param(_both, ("globex.yaml", "E102", "globex"), id="file and folder of one tenant"),
        pytest.param(_nested, ("globex/deep", "E103", "globex"), id="nested folder"),
        pytest.param(lambda r: (r / "Acme_2.yaml").write_text(TEXT), ("Acme_2.yaml", "E105", ""), id="bad name"),
        pytest.param(
            lambda r: (r / ("a" * 41 + ".yaml")).write_text(TEXT), ("a" * 41 + ".yaml", "E105", ""), id="long"
        ),
        pytest.param(lambda r: (r / "main").mkdir(), ("main", "E106", ""), id="reserved name"),
        pytest.param(lambda r: (r / "main.yaml").unlink(), ("main.yaml", "E107", "main"), id="main.yaml missing"),
        pytest.param(
            lambda r: (r / "globex/tenant.yaml").unlink(), ("globex", "E108", "globex"), id="tenant.yaml missing"
        ),
        pytest.param(lambda r: (r / "empty").mkdir(), ("empty", "E112", "empty"), id="empty folder"),
        pytest.param(_fifo, ("pipe.yaml", "E110", "pipe"), id="FIFO"),
        pytest.param(_dead_link, ("gone.yaml", "E110", "gone"), id="dead link"),
        pytest.param(_loop, ("loop.yaml", "E110", "loop"), id="link to itself"),
        pytest.param(_outside, ("out.yaml", "E110", "out"), id="link out of the folder"),
        pytest.param(_outside_folder, ("out", "E110", "out"), id="folder link out of the folder"),
        pytest.param(lambda r: (r / "x.yaml").mkdir(), ("x.yaml", "E110", "x"), id="folder with an ending"),
        pytest.param(_large, ("big.yaml", "E002", "big"), id="5 MB"),
        pytest.param(lambda r: (r / "notes.txt").write_text(""), ("notes.txt", "W101", ""), id="other file"),
        pytest.param(lambda r: (r / "acme.yaml~").write_text(""), ("acme.yaml~", "W101", ""), id="editor's backup"),
        pytest.param(lambda r: (r / "README.yaml").write_text(""), ("README.yaml", "E105", ""), id="README.yaml"),
    ],
)
@pytest.mark.field("no file")
def test_what_cannot_be_an_account_file_is_a_finding(
    root: Path, arrange: Callable[[Path], object], finding: tuple[str, str, str]
) -> None:
    arrange(root)
    assert found(root) == [finding]


@pytest.mark.field("names")
def test_a_name_that_is_not_utf_8_is_a_finding_that_can_be_printed(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.yaml")).write_text(TEXT)
    assert found(root) == [("caf\\xe9.yaml", "E111", "")]


@pytest.mark.field("names")
def test_a_line_break_in_a_name_cannot_forge_output(root: Path) -> None:
    (root / "a\nb.yaml").write_text(TEXT)
    assert found(root) == [("a\\nb.yaml", "E111", "")]


@pytest.mark.parametrize("name", [".acme.yaml.swp", ".git", "README.md", "LICENSE", "CODEOWNERS"])
def test_hidden_files_and_the_repositorys_own_are_ignored(root: Path, name: str) -> None:
    (root / name).write_text("x")
    (root / "globex" / name).write_text("x")
    assert found(root) == []


@pytest.mark.parametrize("name", ["acme.yaml", "globex/tenant.yaml"])
@pytest.mark.field("permission")
def test_an_unreadable_file_holds_its_tenant_and_is_never_a_removal(root: Path, name: str) -> None:
    (root / name).unlink()
    os.mkfifo(root / name)
    loaded = load(root)
    unit = "acme" if name == "acme.yaml" else "globex"
    assert unit in loaded.listed
    assert not loaded.units[unit].complete
    assert all(files.complete for other, files in loaded.units.items() if other != unit)


def test_a_renamed_ending_holds_the_tenant(root: Path) -> None:
    (root / "acme.yaml").rename(root / "acme.yml")
    loaded = load(root)
    assert "acme" in loaded.listed
    assert not loaded.units["acme"].complete


@pytest.mark.field("missed events")
def test_a_mounted_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    data = tmp_path / "mount" / "..2026_01"
    data.mkdir(parents=True)
    (data / "main.yaml").write_text(TEXT)
    (tmp_path / "mount" / "..data").symlink_to("..2026_01")
    (tmp_path / "mount" / "main.yaml").symlink_to("..data/main.yaml")
    assert found(tmp_path / "mount") == []


def test_a_root_behind_a_link_is_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert load(tmp_path / "link").listed == {"acme", "globex", "main"}


def test_the_fingerprint_follows_names_and_contents_only(root: Path) -> None:
    first = Folder(root).listed().fingerprint
    os.utime(root / "acme.yaml", (1, 1))
    assert Folder(root).listed().fingerprint == first == load(root).fingerprint
    (root / "acme.yaml").write_text("version: 2\n")
    second = Folder(root).listed().fingerprint
    (root / "acme.yaml").rename(root / "acme2.yaml")
    third = Folder(root).listed().fingerprint
    os.mkfifo(root / "acme.yaml")
    assert len({first, second, third, Folder(root).listed().fingerprint}) == 4


@pytest.mark.field("no file")
def test_only_regular_files_are_opened(root: Path) -> None:
    os.mkfifo(root / "globex" / "pipe.yaml")
    load(root)
    assert stat.S_ISFIFO((root / "globex" / "pipe.yaml").stat().st_mode)
