"""Renders why something is as it is: an account's values with their places, who serves a tenant, what a code means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.core.account import Account, AccountType
from reconciler.core.commit import Commit
from reconciler.core.difference import dump, leaves
from reconciler.core.finding import CodeEntry, Severity
from reconciler.core.revision import Origin
from reconciler.core.serving import Serving
from reconciler.report.terminal import as_json, columns, instant, shown, visible


@dataclass(frozen=True, slots=True)
class Setting:
    """An effective value; `origin` None: nobody wrote it, it is the default."""

    path: str
    value: Any
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class ExplainedAccount:
    """An account as it runs. `status`, `revision` and `since` None: it is not applied yet.

    `commit`: that of the revision, if it came from Git. `pending`: the files say something else by now, so the places
    are those of the account when it was applied.
    """

    label: str
    status: str | None
    revision: int | None
    since: datetime | None
    pending: bool
    settings: tuple[Setting, ...]
    commit: Commit | None = None


def settings_of(account: Account, locate: Callable[[str], Origin]) -> tuple[Setting, ...]:
    """The account's effective values, default ports included. `locate` gives the place of a key by dotted path."""
    written = dict(leaves(account.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    values = dump(account)
    for name, block in ((account.protocol, account.block), ("smtp", account.smtp)):
        port = getattr(block, "effective_port", None)
        if port is not None:
            values[f"{name}.port"] = port
    return tuple(Setting(path, value, locate(path) if path in written else None) for path, value in values.items())


def account_json(explained: ExplainedAccount) -> str:
    """The account with all its settings; a setting's file, line and column are null where it is the default."""
    document = {
        "format_version": 1,
        "account": explained.label,
        "status": explained.status,
        "revision": explained.revision,
        "commit": explained.commit.id if explained.commit else None,
        "author": explained.commit.author if explained.commit else None,
        "committed_at": instant(explained.commit.committed_at) if explained.commit else None,
        "since": instant(explained.since),
        "pending": explained.pending,
        "settings": [
            {
                "path": s.path,
                "value": s.value,
                "file": s.origin.file if s.origin else None,
                "line": s.origin.line if s.origin else None,
                "column": s.origin.column if s.origin else None,
            }
            for s in explained.settings
        ],
    }
    return as_json(document)


def account_text(explained: ExplainedAccount) -> str:
    """How the account stands, then one line per setting."""
    if explained.status is None:
        stands = "not applied yet; these are the files' values"
    else:
        stands = f"{explained.status} since {instant(explained.since)}, revision {explained.revision}"
    lines = [visible(f"{explained.label}: {stands}")]
    if (commit := explained.commit) is not None:
        lines.append(visible(f"commit {commit.id[:12]} by {commit.author}, {instant(commit.committed_at)}"))
    if explained.pending:
        lines.append("the files say something else by now, see: reconciler plan")
    rows = [
        (visible(s.path), shown(s.value), visible(f"{s.origin.file}:{s.origin.line}") if s.origin else "default")
        for s in explained.settings
    ]
    return "\n".join([*lines, *columns(rows, "  ")]) + "\n"


def serving_json(tenant: str, account_type: AccountType, found: Serving) -> str:
    """Who serves, why, and who does not; `account` is null if nobody does."""
    document = {
        "format_version": 1,
        "tenant": tenant,
        "type": account_type,
        "account": found.account.label if found.account else None,
        "address": found.account.account.address if found.account else None,
        "why": found.why,
        "rejected": list(found.rejected),
    }
    return as_json(document)


def serving_text(tenant: str, account_type: AccountType, found: Serving) -> str:
    """The same in sentences."""
    who = f"{found.account.label} <{found.account.account.address}>" if found.account else "nobody"
    lines = [f"{account_type} of {tenant}: {who}", f"  because {found.why}", *(f"  not {r}" for r in found.rejected)]
    return "".join(visible(line) + "\n" for line in lines)


def code_json(code: str, severity: Severity, entry: CodeEntry) -> str:
    """A finding's code with its meaning."""
    return as_json({"format_version": 1, "code": code, "severity": severity, "title": entry.title, "help": entry.help})


def code_text(code: str, severity: Severity, entry: CodeEntry) -> str:
    """The same in two lines."""
    return f"{code} ({severity}): {entry.title}\n{entry.help}\n"
