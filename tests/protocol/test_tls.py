"""An endpoint's own authorities, pinned certificates and minimum version, against a real server."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.endpoint import SmtpSettings
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol import imap, pop3, smtp
from reconciler.protocol.base import Limits
from reconciler.protocol.imap_settings import ImapSettings
from reconciler.protocol.pop3_settings import Pop3Settings
from tests.rig.certificate import Certificate, make_certificate
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer

LIMITS = Limits(connect=5, command=5)
Connect = Callable[..., None]


@pytest.fixture(params=["imap", "imap starttls", "pop3", "pop3 starttls", "smtp", "smtp starttls"])
def connect(
    request: pytest.FixtureRequest, dovecot: Dovecot, smtp_server: SmtpServer, fresh_address: Callable[[str], str]
) -> Connect:
    """Connects over TLS and closes; takes keys of the endpoint."""
    name, _, starttls = request.param.partition(" ")
    doors: dict[str, tuple[Any, Any, int, int]] = {
        "imap": (ImapSettings, imap.open_session, dovecot.tls_port, dovecot.port),
        "pop3": (Pop3Settings, pop3.open_session, dovecot.pop3_tls_port, dovecot.pop3_port),
        "smtp": (SmtpSettings, smtp.open_connection, smtp_server.tls_port, smtp_server.port),
    }
    model, opened, implicit, plain = doors[name]

    def go(**keys: Any) -> None:
        block = {"host": "localhost", "port": plain if starttls else implicit, "security": starttls or "tls"}
        login = {"username": fresh_address("support"), "password": {"secret": "any"}}
        opened(model.model_validate({**block, **login, **keys}), Secret(dovecot.password), LIMITS).close()

    return go


def spki(certificate: Certificate) -> str:
    """The pin as an administrator makes it: with the openssl program."""
    key = subprocess.run(
        ["openssl", "x509", "-in", str(certificate.cert), "-pubkey", "-noout"], capture_output=True, check=True
    ).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key, capture_output=True, check=True)
    return "sha256/" + base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


def fingerprint(certificate: Certificate) -> str:
    """AA:BB:…, as openssl prints it."""
    command = ["openssl", "x509", "-in", str(certificate.cert), "-fingerprint", "-sha256", "-noout"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip().partition("=")[2]


def test_an_own_authority_is_trusted_and_no_other(connect: Connect, certificate: Certificate, tmp_path: Path) -> None:
    own = certificate.cert.read_text()
    connect(ca=own)
    connect(ca=own, min_tls="1.3")
    connect(ca=own, pin=[spki(certificate)])
    connect(ca=own, pin=["0" * 64, fingerprint(certificate)])
    stranger = make_certificate(tmp_path)
    for keys, said in (
        ({}, "not trusted"),
        ({"ca": stranger.cert.read_text()}, "not trusted"),
        ({"ca": own, "pin": [spki(stranger)]}, "none of those pinned"),
        ({"pin": [spki(certificate)]}, "not trusted"),
    ):
        with pytest.raises(Refused, match=said) as caught:
            connect(**keys)
        assert caught.value.condition is Condition.TLS_FAILED


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"ca": "/etc/ssl/ca.pem"}, "write certificates in PEM"),
        ({"ca": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "write certificates in PEM"),
        ({"pin": ["sha1/AAAA"]}, "write sha256/"),
        ({"min_tls": "1.1"}, "1.2"),
    ],
    ids=["a path", "a key", "sha1", "too old"],
)
def test_keys_that_make_no_sense_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SmtpSettings.model_validate({"host": "localhost", **keys})


def test_a_version_without_quotes_is_understood() -> None:
    assert SmtpSettings.model_validate({"host": "localhost", "min_tls": 1.3}).min_tls == "1.3"


def test_a_ca_that_is_no_certificate_inside_is_refused(connect: Connect) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    with pytest.raises((Refused, Trouble), match="ca holds no certificate"):
        connect(ca=broken)
