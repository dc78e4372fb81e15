"""Logging in by access token: a real Dovecot and SMTP server that ask a token server whether the token is good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reconciler.core.endpoint import SmtpSettings
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.oauth import OAuthSettings
from reconciler.core.secret import Secret
from reconciler.protocol import imap, pop3, smtp
from reconciler.protocol.base import Limits
from reconciler.protocol.imap_settings import ImapSettings
from reconciler.protocol.oauth import ClientSecrets, fetch_token
from reconciler.protocol.pop3_settings import Pop3Settings
from tests.rig.dovecot import Dovecot
from tests.rig.scripted import Script, ScriptedServer
from tests.rig.smtp_server import SmtpServer
from tests.rig.token_server import TokenServer

Addresses = Callable[[str], str]
Open = Callable[[str, str], Any]
LIMITS = Limits(connect=5, command=5)
CANARY = "Kanarie-Vogel-77"
DOORS: dict[str, tuple[Any, Any]] = {
    "imap": (ImapSettings, imap.open_session),
    "pop3": (Pop3Settings, pop3.open_session),
    "smtp": (SmtpSettings, smtp.open_connection),
}

pytestmark = pytest.mark.usefixtures("tls_environment")


def oauth_of(endpoint: str, **changes: Any) -> dict[str, Any]:
    given = {"token_endpoint": endpoint, "client_id": TokenServer.client_id, "client_secret": {"secret": "any"}}
    return {**given, **changes}


def settings_of(server: TokenServer, **changes: Any) -> OAuthSettings:
    return OAuthSettings.model_validate(oauth_of(server.endpoint, **changes))


def secrets(server: TokenServer, refresh: str | None = None) -> ClientSecrets:
    return ClientSecrets(Secret(server.client_secret), Secret(refresh) if refresh is not None else None)


def token_of(server: TokenServer, user: str) -> str:
    return fetch_token(settings_of(server, scope=user), secrets(server), LIMITS).token.reveal()


@pytest.fixture(params=["imap", "pop3", "smtp"])
def door(request: pytest.FixtureRequest, dovecot: Dovecot, smtp_server: SmtpServer) -> Open:
    """Opens a door to a real server with a token; `mechanism` says how it is shown."""
    places = {"imap": dovecot.port, "pop3": dovecot.pop3_port, "smtp": smtp_server.port}
    name = request.param
    model, opener = DOORS[name]

    @contextmanager
    def opened(user: str, token: str, mechanism: str | None = None) -> Iterator[Any]:
        oauth = oauth_of("https://localhost/token", mechanism=mechanism)
        block = {"host": "127.0.0.1", "port": places[name], "security": "none", "username": user, "oauth": oauth}
        session = opener(model.model_validate(block), Secret(token), LIMITS)
        try:
            yield session
        finally:
            session.close()

    return opened


@pytest.mark.parametrize("mechanism", [None, "xoauth2", "oauthbearer"])
def test_a_good_token_opens_the_mailbox_it_is_for(
    door: Any, token_server: TokenServer, fresh_address: Addresses, mechanism: str | None
) -> None:
    token_server.padding = 0
    user = fresh_address("support")
    with door(user, token_of(token_server, user), mechanism) as session:
        assert session.usable


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_token_that_is_not_good_is_refused_and_not_told(
    door: Any, token_server: TokenServer, fresh_address: Addresses, mechanism: str
) -> None:
    with pytest.raises(Refused) as caught, door(fresh_address("support"), CANARY, mechanism):
        pass
    assert caught.value.condition is Condition.AUTH_FAILED
    assert CANARY not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"


NO_TOKENS = {
    "imap": Script(b"* OK ready\r\n", [("CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n")]),
    "pop3": Script(b"+OK ready\r\n", [("CAPA", b"+OK\r\nUIDL\r\n.\r\n")], tagged=False),
    "smtp": Script(b"220 ready\r\n", [("EHLO", b"250 AUTH PLAIN\r\n")], tagged=False),
}


@pytest.mark.parametrize("protocol", NO_TOKENS)
def test_a_server_that_takes_no_tokens_says_what_to_do(protocol: str) -> None:
    with ScriptedServer(NO_TOKENS[protocol]) as server:
        block = {"host": server.host, "port": server.port, "security": "none", "username": "support"}
        model, opened = DOORS[protocol]
        settings = model.model_validate({**block, "oauth": oauth_of("https://localhost/token")})
        with pytest.raises(Refused, match="offers no OAUTHBEARER or XOAUTH2; use a password") as caught:
            opened(settings, Secret(CANARY), LIMITS)
    assert caught.value.condition is Condition.AUTH_FAILED


def test_client_credentials_and_refresh_token_are_asked_for_as_rfc_6749_says(token_server: TokenServer) -> None:
    fetch_token(settings_of(token_server, scope="mail offline"), secrets(token_server), LIMITS)
    found = fetch_token(
        settings_of(token_server, refresh_token={"secret": "r"}),
        secrets(token_server, token_server.refresh_token),
        LIMITS,
    )
    first, second = token_server.asked
    assert (first["grant_type"], first["scope"]) == ("client_credentials", "mail offline")
    assert (second["grant_type"], second["refresh_token"]) == ("refresh_token", "Kanarie-Refresh-0")
    assert (found.seconds, found.next_refresh) == (3600, None)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("answer", "error", "condition"),
    [
        pytest.param((503, {"Retry-After": "30"}, b""), Trouble, Condition.THROTTLED, id="unavailable"),
        pytest.param((429, {}, b""), Trouble, Condition.THROTTLED, id="too many"),
        pytest.param((500, {}, b""), Trouble, Condition.PROTOCOL_ERROR, id="broken"),
        pytest.param((200, JSON, b"{}"), Trouble, Condition.PROTOCOL_ERROR, id="no token"),
        pytest.param((200, JSON, b"[1]"), Trouble, Condition.PROTOCOL_ERROR, id="no object"),
        pytest.param((200, JSON, b'{"access_token": "a\\r\\nb"}'), Trouble, Condition.PROTOCOL_ERROR, id="line end"),
        pytest.param((200, {}, b"<html>"), Trouble, Condition.PROTOCOL_ERROR, id="a page"),
        pytest.param((302, {"Location": "http://x.example/"}, b""), Trouble, Condition.PROTOCOL_ERROR, id="elsewhere"),
        pytest.param(
            (400, JSON, json.dumps({"error": "temporarily_unavailable"}).encode()),
            Trouble,
            Condition.UNREACHABLE,
            id="later",
        ),
        pytest.param(
            (400, JSON, json.dumps({"error": "invalid_grant"}).encode()), Refused, Condition.AUTH_FAILED, id="grant"
        ),
    ],
)
def test_what_a_token_server_says_is_told_as_a_condition(
    token_server: TokenServer, answer: Any, error: type[Refused | Trouble], condition: Condition
) -> None:
    token_server.answer = answer
    with pytest.raises(error) as caught:
        fetch_token(settings_of(token_server), secrets(token_server), LIMITS)
    assert caught.value.condition is condition
    if answer[1].get("Retry-After"):
        assert isinstance(caught.value, Trouble)
        assert caught.value.retry_after == 30


def test_a_client_secret_that_is_wrong_is_refused_and_not_told(token_server: TokenServer) -> None:
    with pytest.raises(Refused, match="invalid_client") as caught:
        fetch_token(settings_of(token_server), ClientSecrets(Secret(CANARY), None), LIMITS)
    assert CANARY not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_a_token_server_that_nobody_vouches_for_or_that_is_not_there_is_told(
    token_server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Refused) as caught:
        fetch_token(settings_of(token_server), secrets(token_server), LIMITS)
    assert caught.value.condition is Condition.TLS_FAILED
    with ScriptedServer(None) as nobody:
        absent = OAuthSettings.model_validate(oauth_of(f"http://127.0.0.1:{nobody.port}/token"))
        with pytest.raises(Trouble) as missing:
            fetch_token(absent, secrets(token_server), LIMITS)
    assert missing.value.condition is Condition.UNREACHABLE


def test_a_token_server_that_says_nothing_is_given_up() -> None:
    with ScriptedServer(Script()) as silent:
        quiet = OAuthSettings.model_validate(oauth_of(f"http://127.0.0.1:{silent.port}/token"))
        with pytest.raises(Trouble) as caught:
            fetch_token(quiet, ClientSecrets(Secret("x"), None), Limits(connect=0.2, command=0.2))
    assert caught.value.condition is Condition.TIMED_OUT
