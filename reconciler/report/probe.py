"""Renders what a probe found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.health import Condition
from reconciler.core.probe import Arrival, FetchProbe, MailProbe, Probe, SendProbe, Tried
from reconciler.report.terminal import as_json, visible

_TOLD = {"imap": ("UIDPLUS", "MOVE", "IDLE", "CONDSTORE"), "pop3": ("UIDL", "TOP", "LOGIN-DELAY", "EXPIRE")}
"""What of a server's capabilities makes a difference here."""


def probe_json(probe: Probe) -> str:
    """Everything, null for what was not tried."""
    document: dict[str, Any] = {
        "format_version": 1,
        "account": probe.account,
        "well": probe.well,
        "fetch": {
            "protocol": probe.fetch.protocol,
            "condition": probe.fetch.condition,
            "reason": probe.fetch.reason,
            "capabilities": sorted(probe.fetch.capabilities),
            "folders": [{"folder": name, "waiting": count} for name, count in probe.fetch.waiting.items()],
        },
        "smtp": _send_json(probe.send),
        "plain": _mail_json(probe.plain),
        "subaddress": _mail_json(probe.subaddress),
        "subaddressing": probe.subaddressing,
    }
    return as_json(document)


def probe_text(probe: Probe) -> str:
    """A few lines, and what to write into the account."""
    lines = [visible(probe.account), f"  fetch: {_fetch_text(probe.fetch)}"]
    lines += [f"    {visible(name) or 'mailbox'}: {count} waiting" for name, count in probe.fetch.waiting.items()]
    lines.append(f"  smtp: {_send_text(probe.send)}")
    lines += [f"  mail to {_mail_text(mail)}" for mail in (probe.plain, probe.subaddress) if mail is not None]
    if probe.subaddress is not None:
        lines.append(f"  {_advice(probe)}")
    return "".join(line + "\n" for line in lines)


def servers_json(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """What `plan --probe` adds to a plan's JSON."""
    return [
        {
            "account": one.account,
            "block": one.block,
            "address": one.address,
            "condition": one.condition,
            "reason": one.reason,
            "capabilities": list(one.capabilities),
            "logged_in": one.logged_in and one.condition is Condition.OK,
            "folders": [{"folder": name, "mails": count} for name, count in one.waiting.items()],
        }
        for one in tried
    ]


def servers_text(tried: Sequence[Tried]) -> str:
    """A line for each server."""
    return "servers tried:\n" + "".join(f"  {_server_line(one)}\n" for one in tried)


def _server_line(one: Tried) -> str:
    if one.condition is not Condition.OK:
        how = f"{one.condition}: {one.reason}"
    elif not one.logged_in:
        how = "serves; no login was tried"
    else:
        counts = ", ".join(f"{count} in {name or 'the mailbox'}" for name, count in one.waiting.items())
        how = "the login works" + (f"; {counts}" if counts else "")
    return visible(f"{one.account} {one.block} {one.address}: {how}")


def _send_json(send: SendProbe | None) -> dict[str, Any] | None:
    if send is None:
        return None
    return {
        "via": send.via,
        "condition": send.condition,
        "reason": send.reason,
        "tls": send.tls,
        "auth": list(send.auth),
        "size": send.size,
    }


def _mail_json(mail: MailProbe | None) -> dict[str, Any] | None:
    if mail is None:
        return None
    return {"address": mail.address, "arrival": mail.arrival, "seconds": mail.seconds, "reason": mail.reason}


def _fetch_text(fetch: FetchProbe) -> str:
    if fetch.condition is not Condition.OK:
        return f"{fetch.condition}: {visible(fetch.reason)}"
    told = [f"{name} {'yes' if name in fetch.capabilities else 'no'}" for name in _TOLD.get(fetch.protocol, ())]
    return ", ".join([f"{fetch.protocol} Ok", *told])


def _send_text(send: SendProbe | None) -> str:
    if send is None:
        return "none; the account has neither smtp nor send_from"
    if send.condition is not Condition.OK:
        return f"{send.condition} (through {visible(send.via)}): {visible(send.reason)}"
    size = f"up to {send.size} bytes" if send.size is not None else "no limit named"
    tls, auth = ("TLS" if send.tls else "no TLS"), (" ".join(map(visible, send.auth)) or "no login")
    return f"Ok through {visible(send.via)}, {tls}, {auth}, {size}"


def _mail_text(mail: MailProbe) -> str:
    seconds = f" after {mail.seconds:.1f} s" if mail.seconds is not None else ""
    reason = f": {visible(mail.reason)}" if mail.reason else ""
    return f"{visible(mail.address)}: {mail.arrival}{seconds}{reason}"


def _advice(probe: Probe) -> str:
    if probe.subaddress is not None and probe.subaddress.arrival is Arrival.ARRIVED:
        return f'the server delivers subaddresses: subaddressing: "{probe.delimiter}" can be switched on'
    if probe.subaddressing == "off":
        return "the server delivers the plain address only: leave subaddressing: off"
    return "no test mail was seen, which says nothing of subaddresses; look at the server, then try again"
