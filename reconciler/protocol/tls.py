"""Whom a connection trusts: the system's authorities or an endpoint's own, which version, which pinned certificates."""

from __future__ import annotations

import base64
import functools
import hashlib
import socket
import ssl
from typing import Any

from reconciler.core.endpoint import Endpoint
from reconciler.core.health import Condition, Refused

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Context(ssl.SSLContext):
    """A context that ends a connection at once whose certificate is trusted but not one of `pins`, where there are any.

    Set before use and never changed: it is shared.
    """

    pins: tuple[str, ...] = ()

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Do the handshake; raises Refused(TLS_FAILED) for a certificate that is not pinned."""
        wrapped = super().wrap_socket(sock, *arguments, **options)
        shown = wrapped.getpeercert(binary_form=True) if self.pins else None
        if self.pins and (shown is None or not any(is_pinned(pin, shown) for pin in self.pins)):
            wrapped.close()
            found = hashlib.sha256(shown or b"").hexdigest()
            raise Refused(
                Condition.TLS_FAILED,
                f"the server's certificate (SHA-256 {found}) is none of those pinned; if it was renewed, add it to pin",
            )
        return wrapped


def is_pinned(pin: str, certificate: bytes) -> bool:
    """Whether a certificate (DER) is the pinned one, or has the pinned key (RFC 7469 2.4: SHA-256 of its SPKI)."""
    if not pin.startswith("sha256/"):
        return hashlib.sha256(certificate).hexdigest() == pin.replace(":", "").lower()
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    key = load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode() == pin.removeprefix("sha256/")


def system_context() -> ssl.SSLContext:
    """The shared context for servers that bring no settings of their own: TLS 1.2, the system's authorities."""
    return _context(ssl.get_default_verify_paths(), "1.2", None, ())


def context_for(endpoint: Endpoint) -> ssl.SSLContext:
    """The context an endpoint asks for, shared by all that ask for the same.

    Reading the system's authorities takes some 40 ms, so that one context serves many; another SSL_CERT_FILE makes
    another. Raises Refused(TLS_FAILED) if `ca` cannot be read.
    """
    return _context(ssl.get_default_verify_paths(), endpoint.min_tls, endpoint.ca, endpoint.pin)


@functools.lru_cache(maxsize=256)
def _context(
    _authorities: ssl.DefaultVerifyPaths, version: str, own: str | None, pins: tuple[str, ...]
) -> ssl.SSLContext:
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[version]
    context.pins = pins
    if own is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=own)
    except ssl.SSLError as error:
        raise Refused(Condition.TLS_FAILED, "ca holds no certificate that can be read; correct it") from error
    return context
