"""The token keys: read from the secret `main/token-keys`, and made there."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from pathlib import Path

from reconciler.core.account import MAIN
from reconciler.core.errors import Invalid, Unavailable
from reconciler.core.health import Trouble
from reconciler.core.secret import TOKEN_KEYS
from reconciler.core.token import TokenKey, format_key, parse_keys
from reconciler.source.secret import SecretStore


def read_keys(secret_store: SecretStore) -> tuple[TokenKey, ...]:
    """The keys, newest first; none if there is no such secret.

    Raises Unavailable if there is one that cannot be read: valid tokens must not be taken for forged ones meanwhile.
    """
    if not secret_store.is_there(MAIN, TOKEN_KEYS):
        return ()
    try:
        return parse_keys(secret_store.resolve(MAIN, TOKEN_KEYS).reveal())
    except (Trouble, Invalid) as error:
        raise Unavailable(str(error)) from error


def new_token_id() -> int:
    """63 random bits: what a token's record is stored under."""
    return secrets.randbits(63)


def add_key(folder: Path, existing: tuple[TokenKey, ...]) -> TokenKey:
    """Make a key and put it in front of the others; old mails stay verifiable.

    Raises Invalid rather than replace a file in which `existing` were not found, Unavailable if it cannot be written.
    """
    target = folder / MAIN / TOKEN_KEYS
    taken = {key.kid for key in existing}
    kid = next(
        k for k in iter(lambda: base64.b32encode(secrets.token_bytes(5)).decode().lower()[:2], "") if k not in taken
    )
    key = TokenKey(kid, secrets.token_bytes(32))
    text = "".join(format_key(k) + "\n" for k in (key, *existing))
    try:
        if not existing and target.is_file() and target.stat().st_size:
            raise Invalid(f"{target} cannot be read as token keys, and answers may need them; mend it or move it away")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".token-keys-")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except OSError as error:
        raise Unavailable(f"cannot write {target}: {error.strerror}") from error
    return key
