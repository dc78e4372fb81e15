"""The door to token servers: gets one access token by client credentials or refresh token; keeps none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.oauth import OAuthSettings
from reconciler.core.secret import Secret
from reconciler.protocol.base import Limits
from reconciler.protocol.connection import network_failure, said
from reconciler.protocol.tls import system_context

_LATER = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_DEFAULT_SECONDS = 600.0
_LONGEST_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, for how many seconds it is good, and the refresh token that replaces the one used, if any."""

    token: Secret
    seconds: float
    next_refresh: Secret | None


@dataclass(frozen=True, slots=True)
class ClientSecrets:
    """The secrets an `oauth:` block refers to."""

    client: Secret | None
    refresh: Secret | None

    @property
    def texts(self) -> tuple[str, ...]:
        """Their texts, to be kept out of error texts."""
        return tuple(secret.reveal() for secret in (self.client, self.refresh) if secret is not None)


def fetch_token(oauth: OAuthSettings, secrets: ClientSecrets, limits: Limits) -> AccessToken:
    """Ask the token endpoint (RFC 6749 sections 4.4 and 6).

    Raises Refused(AUTH_FAILED) if it refuses, Trouble(UNREACHABLE, TIMED_OUT, TLS_FAILED, THROTTLED, PROTOCOL_ERROR)
    if it cannot be asked or asks to wait.
    """
    where = f"token server {oauth.host}:{oauth.effective_port}"
    # Raised outside the handler: a chained cause's words and frames can hold the secrets.
    failure: ReconcilerError
    try:
        return _token(_asked(oauth, secrets, limits, where), secrets, where)
    except ReconcilerError as error:
        failure = error
    except Exception as error:
        failure = _meaning(error, where, secrets)
    raise failure


def _asked(oauth: OAuthSettings, secrets: ClientSecrets, limits: Limits, where: str) -> dict[str, Any]:
    from authlib.integrations.httpx_client import OAuth2Client
    from httpx2 import Response, Timeout

    def unless_it_asks_to_wait(response: Response) -> Response:
        if response.status_code in (429, 503):
            after = response.headers.get("Retry-After", "")
            seconds = float(after) if after.isdecimal() and len(after) < 7 else None
            raise Trouble(Condition.THROTTLED, f"{where} asks to wait ({response.status_code})", retry_after=seconds)
        return response

    client_secret = secrets.client.reveal() if secrets.client is not None else None
    with OAuth2Client(
        oauth.client_id,
        client_secret,
        # Every issuer takes the secret in the form; Basic is encoded differently by some (RFC 6749 2.3.1).
        token_endpoint_auth_method="client_secret_post" if client_secret is not None else "none",
        scope=oauth.scope,
        verify=system_context(),
        timeout=Timeout(limits.command, connect=limits.connect),
    ) as client:
        for moment in ("access_token_response", "refresh_token_response"):
            client.register_compliance_hook(moment, unless_it_asks_to_wait)
        if secrets.refresh is not None:
            answer = client.refresh_token(oauth.token_endpoint, refresh_token=secrets.refresh.reveal())
        else:
            answer = client.fetch_token(oauth.token_endpoint, grant_type="client_credentials")
    return dict(answer)


def _token(answer: dict[str, Any], secrets: ClientSecrets, where: str) -> AccessToken:
    token, seconds, refresh = (answer.get(key) for key in ("access_token", "expires_in", "refresh_token"))
    # RFC 6750 2.1: anything else could end the line it is sent in.
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token or not token:
        raise Trouble(Condition.PROTOCOL_ERROR, f"{where} gave no access token")
    good = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _DEFAULT_SECONDS
    # The library gives back the token that was sent where the issuer names no other.
    replaced = isinstance(refresh, str) and refresh not in ("", *secrets.texts)
    following = Secret(str(refresh)) if replaced else None
    return AccessToken(Secret(token), min(good, _LONGEST_SECONDS), following)


def _meaning(error: Exception, where: str, secrets: ClientSecrets) -> Trouble | Refused:
    from authlib.integrations.base_client import OAuthError
    from httpx2 import ConnectError, TimeoutException, TransportError

    if isinstance(error, OAuthError):
        text = said(f"{error.error}: {error.description or ''}".removesuffix(": "), *secrets.texts)
        if error.error in _LATER:
            return Trouble(Condition.UNREACHABLE, f"{where} cannot give tokens now ({text})")
        mend = "renew the refresh token" if error.error == "invalid_grant" else "correct client_id, secret and scope"
        return Refused(Condition.AUTH_FAILED, f"{where} refused a token ({text}); {mend}")
    if isinstance(error, TimeoutException):
        return Trouble(Condition.TIMED_OUT, f"{where} did not answer in time; check token_endpoint and firewall")
    if isinstance(error, ConnectError | TransportError):
        found = network_failure(_below(error), where)
        return found or Trouble(Condition.UNREACHABLE, f"{where} cannot be reached; check token_endpoint and firewall")
    return Trouble(Condition.PROTOCOL_ERROR, f"{where} gave no proper answer ({type(error).__name__})")


def _below(error: BaseException) -> Exception:
    """The socket's or TLS's own error under the HTTP library's layers."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error if isinstance(error, Exception) else Exception()
