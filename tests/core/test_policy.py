"""What the operators' policy allows."""

from __future__ import annotations

import pytest

from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.settings import Security


def policy(**keys: object) -> Policy:
    return Policy.model_validate({"version": 1, **keys})


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.acme.example", True),
        ("MAIL.Acme.Example", True),
        ("imap.hosting.example", True),
        ("a.b.hosting.example", True),
        ("hosting.example", False),
        ("evilhosting.example", False),
        ("hosting.example.evil.example", False),
        ("mail.acme.example.evil.example", False),
        ("10.0.0.5", True),
        ("localhost", False),
    ],
)
def test_a_host_is_allowed_by_its_name_or_by_a_suffix(host: str, allowed: bool) -> None:
    listed = policy(hosts={"allow": ["mail.acme.example", "*.hosting.example", "10.0.0.5"]})
    assert listed.allows_host(host) is allowed
    assert BUILT_IN.allows_host(host)


def test_an_empty_list_allows_nothing() -> None:
    assert not policy(hosts={"allow": []}).allows_host("mail.acme.example")


@pytest.mark.parametrize(
    ("tls", "host", "floor"),
    [
        ({}, "mail.example", Security.STARTTLS),
        ({}, "127.0.0.1", Security.NONE),
        ({"floor": "tls"}, "mail.example", Security.TLS),
        ({"floor": "tls"}, "localhost", Security.NONE),
        ({"floor": "tls", "plain": ["*.lan.example"]}, "old.lan.example", Security.NONE),
        ({"floor": "tls", "plain": ["*.lan.example"]}, "old.lan.example.evil.example", Security.TLS),
        ({"floor": "none"}, "mail.example", Security.NONE),
    ],
)
def test_the_tls_floor(tls: dict[str, object], host: str, floor: Security) -> None:
    assert policy(tls=tls).floor(host) is floor
