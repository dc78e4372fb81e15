"""Whether the receiving server vouches for From (RFC 8601); what follows from that is decided elsewhere.

Only the topmost Authentication-Results header of the configured authserv-id counts: anybody can write one into his
mail, and the server that is trusted puts its own above what came with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.message import Head

_HEADER = "Authentication-Results"
_MOST_CHARACTERS = 8_000
"""Its parser is recursive; a server's own header has some hundred characters."""


class Verdict(StrEnum):
    """What the trusted server says of From's domain."""

    UNCHECKED = "unchecked"
    NONE = "none"
    PASS = "pass"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Authenticity:
    """The verdict and the results it rests on, in words. UNCHECKED: no authserv-id is configured."""

    verdict: Verdict
    detail: str


UNCHECKED = Authenticity(Verdict.UNCHECKED, "no authserv-id is configured")


def authenticity(head: Head, authserv_id: str | None) -> Authenticity:
    """What the server `authserv_id` says of the mail's From; NONE if it says nothing that speaks for or against it."""
    if authserv_id is None:
        return UNCHECKED
    sender = head.sender.domain if head.sender else ""
    for value in head.all(_HEADER):
        parsed = _parsed(value)
        if parsed is None or str(parsed.authserv_id).lower() != authserv_id.lower():
            continue
        # The first is the only one: a second of the same name came with the mail.
        return _judged(parsed.results, sender)
    return Authenticity(Verdict.NONE, f"no {_HEADER} of {authserv_id}")


def _parsed(value: str) -> Any:
    from authres import AuthenticationResultsHeader

    if len(value) > _MOST_CHARACTERS:
        return None
    try:
        return AuthenticationResultsHeader.parse_value(value)
    except Exception:  # Whatever a hostile header does to the parser, it vouches for nobody.
        return None


def _judged(results: Any, sender: str) -> Authenticity:
    said = [(str(r.method).lower(), str(r.result).lower(), _domains(r)) for r in results]
    shown = ", ".join(f"{method}={result}" for method, result, _ in said) or "no result"
    dmarc = [result for method, result, domains in said if method == "dmarc" and (not domains or sender in domains)]
    if dmarc:
        verdict = {"pass": Verdict.PASS, "fail": Verdict.FAIL}.get(dmarc[0], Verdict.NONE)
        if verdict is not Verdict.NONE:
            return Authenticity(verdict, shown)
    if any(
        result == "pass" and any(_aligned(sender, domain) for domain in domains)
        for method, result, domains in said
        if method in ("dkim", "spf")
    ):
        return Authenticity(Verdict.PASS, shown)
    failed = any(method == "spf" and result in ("fail", "softfail") for method, result, _ in said)
    return Authenticity(Verdict.FAIL if failed else Verdict.NONE, shown)


def _domains(result: Any) -> list[str]:
    """The domains the result is about: header.from, header.d, smtp.mailfrom."""
    wanted = (("header", "from"), ("header", "d"), ("header", "i"), ("smtp", "mailfrom"))
    return [
        str(p.value).rpartition("@")[2].lower().strip()
        for p in getattr(result, "properties", ())
        if (str(p.type).lower(), str(p.name).lower()) in wanted
    ]


def _aligned(sender: str, domain: str) -> bool:
    """Relaxed alignment (RFC 7489, 3.1.1) without a list of public suffixes: the same domain, or one above it."""
    return bool(domain) and "." in domain and (sender == domain or sender.endswith(f".{domain}"))
