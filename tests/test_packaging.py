"""What is installed is whole: the wheel carries all the program reads, and the metadata says what it needs."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("wheel")
"""In one process: what its tests share takes long to make."""

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

_REQUIREMENTS = [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
_POINTS = {
    **PROJECT["scripts"],
    **{f"{group}:{name}": where for group, named in PROJECT["entry-points"].items() for name, where in named.items()},
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = shutil.which("uv")
    if find_spec("hatchling") is not None:
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    elif uv is not None:
        build = [uv, "build", "--offline", "--wheel", "--quiet", "--out-dir", str(folder)]
    else:
        pytest.skip("neither hatchling nor uv is here to build with")
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    if "hatchling" in done.stderr and ("network" in done.stderr or "offline" in done.stderr):
        pytest.skip("hatchling is not in uv's cache")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "unpacked")
    return folder / "unpacked"


def installed(wheel: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python away from the checkout, with the wheel's package in front."""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, cwd=wheel.parent, env=environment, capture_output=True, text=True, check=False)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    package = {p.relative_to(ROOT) for p in (ROOT / "reconciler").rglob("*") if p.is_file()}
    example = {Path("reconciler/demo") / p.relative_to(ROOT) for p in (ROOT / "accounts.d").rglob("*.yaml")}
    wanted = {path for path in package | example if "__pycache__" not in path.parts}
    found = {p.relative_to(wheel) for p in wheel.rglob("*") if p.is_file() and ".dist-info" not in p.parts[-2]}
    assert {str(path) for path in found if ".dist-info" not in str(path)} == {str(path) for path in wanted}
    assert Path("reconciler/py.typed") in found
    assert Path("reconciler/templates/en/forward.txt") in found


def test_an_installed_demo_finds_its_example_inside_the_package(wheel: Path) -> None:
    asked = installed(wheel, "-c", "from reconciler.demo import play; print(play._original())")
    assert (asked.stderr, asked.stdout.strip()) == ("", str(wheel / "reconciler" / "demo" / "accounts.d"))
    validated = installed(wheel, "-m", "reconciler", "validate", asked.stdout.strip())
    assert validated.returncode == 0, validated.stderr + validated.stdout


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    (licence,) = wheel.glob("*.dist-info/licenses/LICENSE")
    (metadata,) = wheel.glob("*.dist-info/METADATA")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "License-Expression: Apache-2.0" in metadata.read_text("utf-8").splitlines()


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert (PROJECT["license"], PROJECT["license-files"]) == ("Apache-2.0", ["LICENSE"])


@pytest.mark.parametrize("where", _POINTS.values(), ids=_POINTS.keys())
def test_an_entry_point_leads_somewhere(where: str) -> None:
    module, _, name = where.partition(":")
    assert getattr(importlib.import_module(module), name) is not None


def test_the_installed_protocols_are_those_of_the_project() -> None:
    offered = {point.name: point.value for point in entry_points(group="reconciler.protocols")}
    assert offered == PROJECT["entry-points"]["reconciler.protocols"]


@pytest.mark.parametrize("requirement", _REQUIREMENTS)
def test_a_dependency_has_a_lower_and_an_upper_bound(requirement: str) -> None:
    assert ">=" in requirement
    assert "<" in requirement


def test_the_supported_pythons_are_named_alike() -> None:
    lowest, highest = (part.lstrip(">=<3.") for part in PROJECT["requires-python"].split(","))
    named = {
        c.rpartition("3.")[2] for c in PROJECT["classifiers"] if c.startswith("Programming Language :: Python :: 3.")
    }
    assert named == {str(minor) for minor in range(int(lowest), int(highest))}


def test_the_version_is_said_once() -> None:
    from reconciler import __version__

    assert __version__ == PROJECT["version"]


def test_the_lock_file_is_in_step() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    own = next(package for package in lock["package"] if package["name"] == PROJECT["name"])
    locked = {f"{r['name']}{r.get('specifier', '')}" for r in own["metadata"]["requires-dist"]}
    assert {normal(requirement) for requirement in _REQUIREMENTS} == {normal(requirement) for requirement in locked}
    uv = shutil.which("uv")
    if uv is not None:
        checked = subprocess.run(
            [uv, "lock", "--check", "--offline"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


def normal(requirement: str) -> tuple[str, frozenset[str]]:
    """A requirement's name and bounds, however they are ordered and spelled."""
    name, bounds = requirement, ""
    for position, letter in enumerate(requirement):
        if letter in "<>=":
            name, bounds = requirement[:position], requirement[position:]
            break
    return name.strip().lower().replace(".", "-").replace("_", "-"), frozenset(bounds.replace(" ", "").split(","))
