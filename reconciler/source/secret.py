"""Resolves references to secrets at the moment of use; knows the two places they come from, and keeps none of them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from reconciler.core.errors import Invalid
from reconciler.core.health import Condition, Trouble
from reconciler.core.secret import SLUG_PATTERN, Secret

_SLUG = re.compile(SLUG_PATTERN)
_MOST_BYTES = 64 * 1024


class SecretStore:
    """Secrets by unit and name: the environment variable if it is set, else the file `<folder>/<unit>/<name>`.

    The environment comes first, so that one secret can be replaced for one run. A unit sees its own namespace only:
    names are no paths, and a link that leads out of `<folder>/<unit>` is refused.
    """

    def __init__(self, folder: Path | None, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def resolve(self, unit: str, name: str) -> Secret:
        """The secret, without one trailing newline.

        Raises Trouble(SECRET_MISSING) if it is not there or not readable, Invalid if unit or name are no names.
        """
        for part in (unit, name):
            if not _SLUG.fullmatch(part):
                raise Invalid("a secret is named by a-z, 0-9 and single hyphens between them; it is never a path")
        text = self._environ.get(variable_name(unit, name))
        if text is None:
            text = self._from_file(unit, name)
        text = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
        if not text:
            raise self._missing(unit, name, "is empty")
        return Secret(text)

    def is_there(self, unit: str, name: str) -> bool:
        """Whether the secret is provided, be it readable or not."""
        in_environment = variable_name(unit, name) in self._environ
        return in_environment or (self._folder is not None and os.path.lexists(self._folder / unit / name))

    def _from_file(self, unit: str, name: str) -> str:
        if self._folder is None:
            raise self._missing(unit, name, "is missing")
        namespace = Path(os.path.realpath(self._folder)) / unit
        path = Path(os.path.realpath(namespace / name))
        if not path.is_relative_to(namespace):
            raise self._missing(unit, name, f"is a link that leads out of {self._folder / unit}, which is refused")
        try:
            return _regular_bytes(path).decode("utf-8")
        except FileNotFoundError as error:
            raise self._missing(unit, name, "is missing") from error
        except OSError as error:
            raise self._missing(unit, name, f"cannot be read ({error.strerror})") from error
        except UnicodeDecodeError:
            # Not chained: the error holds the bytes, and with them the secret.
            raise self._missing(unit, name, "is not UTF-8 text") from None

    def _missing(self, unit: str, name: str, what: str) -> Trouble:
        file = f"write it to {self._folder / unit / name} or " if self._folder is not None else ""
        message = f"the secret {unit}/{name} {what}: {file}set {variable_name(unit, name)}"
        return Trouble(Condition.SECRET_MISSING, message)


def variable_name(unit: str, name: str) -> str:
    """The environment variable of a secret: `acme`, `support-imap` is `RECONCILER_SECRET__ACME__SUPPORT_IMAP`."""
    return "__".join(("RECONCILER_SECRET", *(part.upper().replace("-", "_") for part in (unit, name))))


def _regular_bytes(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file")
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise OSError(0, f"larger than {_MOST_BYTES} bytes")
    return data
