"""Who runs a command, for the record."""

from __future__ import annotations


def acting_user() -> str:
    """The login name of the person or service; of one without a name its number."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"uid {os.getuid()}"
