"""The `oauth:` block, and what carries a token over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.oauth import (
    Mechanism,
    OAuthSettings,
    answer_to_refusal,
    chosen_mechanism,
    initial_response,
)

BLOCK: dict[str, Any] = {
    "token_endpoint": "https://login.example/t/oauth2/v2.0/token",
    "client_id": "app",
    "client_secret": {"secret": "app"},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"token_endpoint": "http://login.example/token"}, "pattern", id="no TLS"),
        pytest.param({"token_endpoint": "https://user:pass@login.example/"}, "pattern", id="credentials"),
        pytest.param({"token_endpoint": "login.example"}, "pattern", id="no address"),
        pytest.param({"client_secret": None}, "give client_secret, refresh_token or both", id="no secret"),
        pytest.param({"scope": "a  b"}, "pattern", id="scope"),
        pytest.param({"secret": "x"}, "not permitted", id="unknown key"),
    ],
)
def test_a_block_that_cannot_work_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        OAuthSettings.model_validate({**BLOCK, **changes})


def test_the_blocks_secrets_are_sent_to_the_issuer() -> None:
    block = OAuthSettings.model_validate(BLOCK)
    assert (block.host, block.effective_port, block.username) == ("login.example", 443, "app")


def test_a_token_is_shown_as_the_providers_and_rfc_7628_say() -> None:
    assert initial_response(Mechanism.XOAUTH2, "a@b", "t", "h", 993) == b"user=a@b\x01auth=Bearer t\x01\x01"
    assert (
        initial_response(Mechanism.OAUTHBEARER, "a,=@b", "t", "h", 993)
        == b"n,a=a=2C=3D@b,\x01host=h\x01port=993\x01auth=Bearer t\x01\x01"
    )
    assert [answer_to_refusal(one) for one in Mechanism] == [b"", b"\x01"]


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (None, ["PLAIN", "XOAUTH2", "OAUTHBEARER"], Mechanism.OAUTHBEARER),
        (None, ["XOAUTH2"], Mechanism.XOAUTH2),
        (Mechanism.XOAUTH2, ["XOAUTH2", "OAUTHBEARER"], Mechanism.XOAUTH2),
        (Mechanism.OAUTHBEARER, ["XOAUTH2"], None),
        (None, ["PLAIN"], None),
    ],
)
def test_the_mechanism_is_the_one_asked_for_or_the_best_offered(
    wanted: Mechanism | None, offered: list[str], chosen: Mechanism | None
) -> None:
    assert chosen_mechanism(wanted, offered) is chosen
