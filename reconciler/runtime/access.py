"""What an account logs in with: a password, or an access token that is kept and renewed ahead of its end."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reconciler.core.health import Condition, Refused
from reconciler.core.oauth import OAuthSettings
from reconciler.core.secret import Secret, SecretRef
from reconciler.protocol.base import Limits
from reconciler.protocol.oauth import AccessToken, ClientSecrets, fetch_token
from reconciler.source.secret import SecretStore

T = TypeVar("T")

_AHEAD_SECONDS = 300.0
_AHEAD_SHARE = 0.2


@dataclass(slots=True)
class _Kept:
    """A token while it is good; `ends` is by the steady clock. One thread at a time asks for the next one."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: Secret | None = None
    ends: float = 0.0
    refresh: Secret | None = None


class Tokens:
    """Access tokens in memory, never in the store. A tenant's are its own; other secrets make other tokens.

    Where the issuer replaces the refresh token, the new one is used for as long as the program runs.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[tuple[str, OAuthSettings, bytes], _Kept] = {}
        self._lock = threading.Lock()

    def get(self, unit: str, oauth: OAuthSettings, secrets: ClientSecrets, limits: Limits) -> tuple[Secret, bool]:
        """A token that is good for a while, and whether it was kept from before. Raises what `fetch_token` raises."""
        kept = self._of(unit, oauth, secrets)
        with kept.lock:
            if kept.token is not None and self._now() < kept.ends:
                return kept.token, True
            return self._fetch(kept, oauth, secrets, limits), False

    def renew(self, unit: str, oauth: OAuthSettings, secrets: ClientSecrets, limits: Limits, refused: Secret) -> Secret:
        """Another token than the one that a mail server refused."""
        kept = self._of(unit, oauth, secrets)
        with kept.lock:
            if kept.token is not None and kept.token is not refused and self._now() < kept.ends:
                return kept.token
            return self._fetch(kept, oauth, secrets, limits)

    def _fetch(self, kept: _Kept, oauth: OAuthSettings, secrets: ClientSecrets, limits: Limits) -> Secret:
        kept.token = None
        used = ClientSecrets(secrets.client, kept.refresh or secrets.refresh)
        try:
            found = fetch_token(oauth, used, limits)
        except Refused:
            if kept.refresh is None:
                raise
            # The one that came with the last token no longer counts; the operators' may.
            kept.refresh = None
            found = fetch_token(oauth, secrets, limits)
        self._keep(kept, found)
        return found.token

    def _keep(self, kept: _Kept, found: AccessToken) -> None:
        kept.token, kept.refresh = found.token, found.next_refresh or kept.refresh
        kept.ends = self._now() + found.seconds - min(_AHEAD_SECONDS, found.seconds * _AHEAD_SHARE)

    def _of(self, unit: str, oauth: OAuthSettings, secrets: ClientSecrets) -> _Kept:
        digest = hashlib.sha256("\0".join(secrets.texts).encode()).digest()
        issuer = oauth.model_copy(update={"mechanism": None})
        with self._lock:
            return self._kept.setdefault((unit, issuer, digest), _Kept())


@dataclass(frozen=True, slots=True)
class Access:
    """Secrets and tokens, looked up at the moment of use."""

    secrets: SecretStore
    tokens: Tokens

    def log_in(self, unit: str, block: Any, limits: Limits, opened: Callable[[Secret | None], T]) -> T:
        """Call `opened` with the block's password, its token, or None if it names neither.

        A token that is refused although it should be good is renewed once. Raises what resolving and opening raise.
        """
        oauth: OAuthSettings | None = getattr(block, "oauth", None)
        if oauth is None:
            return opened(self._resolved(unit, getattr(block, "password", None)))
        secrets = ClientSecrets(self._resolved(unit, oauth.client_secret), self._resolved(unit, oauth.refresh_token))
        token, kept = self.tokens.get(unit, oauth, secrets, limits)
        try:
            return opened(token)
        except Refused as error:
            if error.condition is not Condition.AUTH_FAILED or not kept:
                raise
        return opened(self.tokens.renew(unit, oauth, secrets, limits, token))

    def _resolved(self, unit: str, ref: SecretRef | None) -> Secret | None:
        return None if ref is None else self.secrets.resolve(unit, ref.secret)
