"""Whether secrets can be resolved, for commands that only list those that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.core.plan import HasSecret


def secret_check(folder: Path) -> HasSecret:
    """A predicate by unit and name; it resolves the secret and forgets it."""
    import os

    from reconciler.core.health import Trouble
    from reconciler.source.secret import SecretStore

    secrets = SecretStore(folder, os.environ)

    def has_secret(unit: str, name: str) -> bool:
        try:
            secrets.resolve(unit, name)
        except Trouble:
            return False
        return True

    return has_secret
