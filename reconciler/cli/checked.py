"""What a look at the accounts folder found, for the reports of every command that looks at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.report.findings import Checked
    from reconciler.runtime.checking import Check
    from reconciler.runtime.desired import Reading


def checked(reading: Reading | Check, folder: Path | str) -> Checked:
    """The reading as reports show it. `folder`: where it was read, or as text the path inside a Git repository."""
    from reconciler.report.findings import Checked

    shown = folder if isinstance(folder, str) else _from_here(folder)
    return Checked(reading.files, reading.tenants, reading.accounts, reading.findings, shown)


def _from_here(folder: Path) -> str:
    """The folder relative to the working directory if it is below it, else absolute; links are not followed."""
    here, there = Path.cwd(), Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() follows links)
    return (there.relative_to(here) if there.is_relative_to(here) else there).as_posix()
