"""Whom the receiving server vouches for: Authentication-Results as servers, and senders, write them."""

from __future__ import annotations

import pytest

from reconciler.core.authentication import Verdict, authenticity
from reconciler.core.message import parse_head

PASS = "mx.acme.example; dmarc=pass header.from=firm.example"
FAIL = "mx.acme.example; dmarc=fail (p=none) header.from=firm.example"


def verdict(*headers: str, sender: str = "expert@firm.example", authserv_id: str | None = "mx.acme.example") -> Verdict:
    lines = [*(f"Authentication-Results: {header}" for header in headers), f"From: {sender}", "", ""]
    return authenticity(parse_head("\r\n".join(lines).encode()), authserv_id).verdict


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (PASS, Verdict.PASS),
        (PASS.upper(), Verdict.PASS),
        (FAIL, Verdict.FAIL),
        ("mx.acme.example; dmarc=none; dkim=pass header.d=firm.example", Verdict.PASS),
        ("mx.acme.example; dkim=pass header.d=mail.other.example", Verdict.NONE),
        ("mx.acme.example; spf=pass smtp.mailfrom=bounces@firm.example", Verdict.PASS),
        ("mx.acme.example; spf=pass smtp.mailfrom=x@evil.example", Verdict.NONE),
        ("mx.acme.example; spf=pass smtp.mailfrom=example", Verdict.NONE),
        ("mx.acme.example; spf=softfail smtp.mailfrom=firm.example", Verdict.FAIL),
        ("mx.acme.example; dmarc=pass header.from=evil.example", Verdict.NONE),
        ("mx.acme.example; none", Verdict.NONE),
        ("mx.evil.example; dmarc=pass header.from=firm.example", Verdict.NONE),
        ("mx.acme.example.evil.example; dmarc=pass header.from=firm.example", Verdict.NONE),
        ('mx.acme.example; dmarc=pass reason="' + "x" * 10_000 + '"', Verdict.NONE),
        ("mx.acme.example; " + "(" * 5_000, Verdict.NONE),
        ("", Verdict.NONE),
        ("mx.acme.example; garbage===", Verdict.NONE),
    ],
)
def test_the_trusted_server_vouches_for_the_domain_of_from(header: str, expected: Verdict) -> None:
    assert verdict(header) is expected


def test_only_the_topmost_header_of_the_trusted_server_counts() -> None:
    assert verdict(FAIL, PASS) is Verdict.FAIL
    assert verdict("mx.evil.example; dmarc=fail header.from=firm.example", PASS, FAIL) is Verdict.PASS


def test_without_a_header_nothing_is_proven_and_without_a_server_nothing_is_checked() -> None:
    assert verdict() is Verdict.NONE
    assert verdict(PASS, authserv_id=None) is Verdict.UNCHECKED
