"""Writes files so that after any crash they are the old or the new ones, and reads them; knows nothing of what they
hold."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from reconciler.core.errors import Invalid, Unavailable


def write_file(path: Path, text: str, *, mode: int | None = None) -> None:
    """Replace the file (a link's target) by a temporary one, fsynced, in one rename; missing folders are made.

    `mode` None keeps the file's own, or gives a new one what the umask leaves of 0644. Raises Unavailable.
    """
    target = Path(os.path.realpath(path))
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), _mode(target) if mode is None else mode)
            os.fsync(file.fileno())
        Path(temporary).replace(target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def read_text(path: Path, most: int = 256 * 1024 * 1024) -> str:
    """A file that this program has written, as text. Raises Invalid if it cannot be read or has more bytes."""
    try:
        if not path.is_file():
            raise Invalid(f"{path} cannot be read: there is no such file")
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise Invalid(f"{path} cannot be read: it has more than {most} bytes")
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid(f"{path} cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from error


def _mode(target: Path) -> int:
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o644 & ~mask


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
