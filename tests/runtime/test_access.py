"""Access tokens over time: kept, renewed ahead of their end, renewed once when refused; and accounts that use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.endpoint import SmtpSettings
from reconciler.core.health import Condition, Refused
from reconciler.core.secret import Secret
from reconciler.protocol.base import Limits
from reconciler.runtime.access import Access, Tokens
from reconciler.source.secret import SecretStore
from tests.rig.token_server import TokenServer
from tests.world import World

LIMITS = Limits(connect=5, command=5)

pytestmark = pytest.mark.usefixtures("tls_environment")


class Office:
    """An account with an `oauth:` block, a clock that is set by hand, and a mail server that says what it is told."""

    def __init__(self, server: TokenServer, folder: Path, **changes: Any) -> None:
        self.server, self.now = server, 0.0
        values = {"client": server.client_secret, "refresh": server.refresh_token}
        environ = {f"RECONCILER_SECRET__ACME__{name.upper()}": value for name, value in values.items()}
        self.access = Access(SecretStore(folder, environ), Tokens(lambda: self.now))
        given: dict[str, Any] = {"token_endpoint": server.endpoint, "client_id": server.client_id}
        given["client_secret"] = {"secret": "client"}
        block = {"host": "localhost", "username": "u", "oauth": {**given, **changes}}
        self.block = SmtpSettings.model_validate(block)

    def log_in(self, *, refuses: bool = False, unit: str = "acme") -> str:
        """Log in; the token that the mail server took."""

        def opened(secret: Secret | None) -> str:
            assert secret is not None
            if refuses or not self.server._good[secret.reveal()]:
                raise Refused(Condition.AUTH_FAILED, "AUTHENTICATIONFAILED")
            return secret.reveal()

        return self.access.log_in(unit, self.block, LIMITS, opened)


@pytest.fixture
def office(token_server: TokenServer, tmp_path: Path) -> Office:
    """Tokens for an hour, by client credentials."""
    return Office(token_server, tmp_path, scope="u")


def test_a_token_is_kept_and_replaced_ahead_of_its_end(office: Office) -> None:
    first = office.log_in()
    office.now = 3299
    assert office.log_in() == first
    office.now = 3301
    assert office.log_in() != first
    assert office.server.given == 2


def test_a_token_that_is_refused_after_it_was_good_is_replaced_once(office: Office) -> None:
    office.log_in()
    office.server.revoke()
    office.log_in()
    assert office.server.given == 2


def test_a_mail_server_that_refuses_the_fresh_token_too_is_believed(office: Office) -> None:
    office.log_in()
    with pytest.raises(Refused):
        office.log_in(refuses=True)
    assert office.server.given == 2
    office.now = 10_000
    with pytest.raises(Refused):
        office.log_in(refuses=True)
    assert office.server.given == 3


def test_a_replaced_refresh_token_is_used_and_the_operators_own_if_it_fails(
    token_server: TokenServer, tmp_path: Path
) -> None:
    office = Office(token_server, tmp_path, scope="u", refresh_token={"secret": "refresh"})
    token_server.rotates = True
    for hour in range(3):
        office.now = hour * 3600.0
        office.log_in()
    used = [form["refresh_token"] for form in token_server.asked]
    assert used == ["Kanarie-Refresh-0", "Kanarie-Refresh-1", "Kanarie-Refresh-2"]
    token_server.refresh_token, office.now = "Kanarie-Refresh-0", 3 * 3600.0
    office.log_in()
    assert [form["refresh_token"] for form in token_server.asked][-2:] == ["Kanarie-Refresh-3", "Kanarie-Refresh-0"]


def oauth_account(world: World, server: TokenServer, address: str) -> dict[str, Any]:
    oauth = {"token_endpoint": server.endpoint, "client_id": server.client_id, "client_secret": {"secret": "client"}}
    account = world.account("support", address)
    for block in ("imap", "smtp"):
        del account[block]["password"]
        account[block]["oauth"] = {**oauth, "scope": address}
    return account


def test_an_account_fetches_and_sends_by_token(world: World, token_server: TokenServer) -> None:
    token_server.padding = 0
    address = world.fresh()
    world.unit("acme", oauth_account(world, token_server, address))
    world.secret("acme", "client", token_server.client_secret)
    assert world.apply()["secrets_to_provide"] == []
    world.customer_writes("Carla <carla@customer.example>", address)
    world.command("fetch", RECONCILER_LATE_SECONDS="30")
    [case] = world.json("cases")["cases"]
    world.command("reply", case["id"], "--text", "It is on its way.")
    world.command("send")
    [sent] = world.smtp_server.envelopes("carla@customer.example")
    assert sent.user == address
    assert world.condition("support") == "Ok"


def test_an_account_whose_application_was_removed_says_so_and_shows_no_secret(
    world: World, token_server: TokenServer
) -> None:
    world.unit("acme", oauth_account(world, token_server, world.fresh()))
    world.secret("acme", "client", "Kanarie-Falsch")
    world.apply()
    [line] = [one for one in world.steps(1, late_seconds=30) if one.account == "support"]
    assert str(line.error).startswith("AuthFailed: token server localhost:")
    assert "Kanarie" not in str(line.error)
