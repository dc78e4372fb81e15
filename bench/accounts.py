"""Makes accounts folders of any size, as an office with many tenants would have them."""

from __future__ import annotations

from pathlib import Path

_MAIN = """\
version: 1
accounts:
"""
_ACCOUNT = """\
  - id: {id}
    name: {name}
    type: {type}
    address: {address}
    weight: 5
    protocol: imap
    imap: {{host: mail.{host}, port: 993, security: tls, username: {user}, password: {{secret: {secret}}}}}
    smtp: {{host: mail.{host}, port: 587, security: starttls, username: {user}, password: {{secret: {secret}}}}}
"""
_TENANT = """\
# yaml-language-server: $schema=../schemas/tenant.schema.json
version: 1
tenant: {tenant}
language: en
owners: [mail-admins@{tenant}.example]
accounts:
"""
_ROUTING = """\
routing:
  - {id: invoices, when: {account: support, subject: {contains: invoice}}, then: {queue: billing}}
"""


def tenant_text(number: int, weight: int = 5) -> str:
    """The file of one tenant: one inbound account, one rule."""
    tenant = f"tenant-{number:05}"
    account = _account("support", f"Support {number}", "inbound", f"support@{tenant}.example", f"{tenant}.example")
    account = account.replace("weight: 5", f"weight: {weight}")
    return _TENANT.format(tenant=tenant) + account + _ROUTING


def write_folder(root: Path, tenants: int) -> None:
    """Write `main.yaml` and so many tenants' files."""
    root.mkdir(parents=True)
    accounts = (
        _account("main-reply", "Answers", "reply", "reply@main.example", "main.example"),
        _account("main-second-level", "Inquiries", "second-level-reply", "inquiry@main.example", "main.example"),
    )
    (root / "main.yaml").write_text(_MAIN + "".join(accounts))
    for number in range(tenants):
        (root / f"tenant-{number:05}.yaml").write_text(tenant_text(number))


def _account(account_id: str, name: str, kind: str, address: str, host: str) -> str:
    user = address.partition("@")[0]
    return _ACCOUNT.format(
        id=account_id, name=name, type=kind, address=address, host=host, user=user, secret=f"{account_id}-imap"
    )
