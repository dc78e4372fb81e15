"""An accounts folder in a test, written as an admin would write it."""

from __future__ import annotations

from pathlib import Path

from reconciler.core.registry import Registry
from reconciler.core.revision import NOTHING_APPLIED, AppliedState
from reconciler.protocol.imap_settings import IMAP
from reconciler.runtime.desired import Reading, read_desired

REGISTRY = Registry({"imap": IMAP.settings})


def account(
    account_id: str = "support", kind: str = "inbound", domain: str = "acme.example", more: str = "", smtp: bool = True
) -> str:
    """One account in block style, twelve lines at most; `more` is further lines of it."""
    lines = [
        f"  - id: {account_id}",
        f"    name: {account_id}",
        f"    type: {kind}",
        f"    address: {account_id}@{domain}",
        "    protocol: imap",
        f"    imap: {{host: mail.{domain}, username: {account_id}, password: {{secret: {account_id}-imap}}}}",
    ]
    if smtp:
        lines.append(f"    smtp: {{host: mail.{domain}, security: starttls}}")
    lines += [f"    {line}" for line in more.splitlines()]
    return "\n".join(lines) + "\n"


def tenant(*accounts: str, name: str = "acme", more: str = "") -> str:
    """A tenant's file; `more` is further top-level lines."""
    return f"version: 1\ntenant: {name}\naccounts:\n" + ("".join(accounts) or "  []\n") + more


MAIN_FILE = "version: 1\naccounts:\n" + "".join(
    account(kind, kind, "service.example") for kind in ("reply", "second-level-reply")
)


class Folder:
    """A folder with a good main.yaml and whatever is written into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.write("main.yaml", MAIN_FILE)

    def write(self, name: str, text: str) -> Folder:
        """Write a file, folders included."""
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return self

    def read(self, applied: AppliedState = NOTHING_APPLIED, registry: Registry = REGISTRY) -> Reading:
        """Read and judge the folder."""
        return read_desired(self.root, registry, applied)

    def codes(self, applied: AppliedState = NOTHING_APPLIED) -> list[tuple[str, str]]:
        """File and code of every finding."""
        return [(f.file, f.code) for f in self.read(applied).findings]
