"""The rig's servers as fixtures: one Dovecot and one SMTP server per test process, and who trusts them."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.rig.certificate import Certificate, make_certificate
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.rig.token_server import TokenServer
from tests.world import DOOR, World

# No clock decides a test: on a busy machine any example may take long.
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")

_REAL = {"dovecot", "smtp_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses a real server as `real`."""
    for item in items:
        if _REAL.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def rig_directory() -> Iterator[Path]:
    """A directory with a short path that another system user may enter; pytest's own is neither."""
    directory = Path(tempfile.mkdtemp(prefix="rig-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def certificate(rig_directory: Path) -> Certificate:
    """The certificate of every server of the rig, for localhost and 127.0.0.1."""
    return make_certificate(rig_directory)


@pytest.fixture(scope="session")
def dovecot(rig_directory: Path, certificate: Certificate) -> Iterator[Dovecot]:
    """A running Dovecot; fails with the way to install it where it is missing."""
    server = Dovecot(rig_directory, certificate)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def smtp_server(rig_directory: Path, certificate: Certificate, dovecot: Dovecot) -> Iterator[SmtpServer]:
    """A running SMTP server that delivers into `dovecot`."""
    server = SmtpServer(
        rig_directory, certificate, f"127.0.0.1:{dovecot.own_port}:{dovecot.password}", dovecot.tokeninfo_port
    )
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def tls_environment(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default TLS contexts, also those of child processes, trust the rig's certificate and no other."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))


@pytest.fixture
def token_server(certificate: Certificate, dovecot: Dovecot) -> Iterator[TokenServer]:
    """A token server whose tokens `dovecot` and `smtp_server` take."""
    with TokenServer(certificate, dovecot.tokeninfo_port) as server:
        yield server


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """A command that sets up the log does so for its own test only."""
    yield
    structlog.reset_defaults()


_numbers = itertools.count(1)


@pytest.fixture
def fresh_address() -> Callable[[str], str]:
    """Makes addresses, which are user names of `dovecot` too, that no other test of this process has used."""

    def make(name: str = "support") -> str:
        return f"{name}-{next(_numbers)}@acme.example"

    return make


@pytest.fixture
def world(tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer, fresh_address: Callable[[str], str]) -> World:
    """The program over an accounts folder of its own, on the rig's servers."""
    return World(tmp_path, dovecot, smtp_server, fresh_address)


@pytest.fixture(scope="module", params=["fast", "thread"])
def both_doors(request: pytest.FixtureRequest) -> Iterator[str]:
    """Everything that asks for this runs with each door: what a step does is the same, however it is carried out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DOOR, request.param)
        yield request.param
