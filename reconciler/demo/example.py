"""The example accounts, copied and pointed at the demo's servers on loopback, with their secrets and a token key."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from reconciler.runtime.tokens import add_key

_SERVER = re.compile(r"(imap|smtp): \{host: [a-z.]+, port: [0-9]+, security: [a-z]+, username: [a-z]+,")
_ADDRESS = re.compile(r"^    address: (\S+)", re.MULTILINE)
_SECRET = re.compile(r"\{secret: ([a-z0-9-]+)\}")


class Example:
    """A copy of the example in `folder`: `accounts.d`, `secrets` and the addresses of its accounts."""

    def __init__(self, original: Path, folder: Path) -> None:
        self.accounts, self.secrets = folder / "accounts.d", folder / "secrets"
        shutil.copytree(original, self.accounts)

    def addresses(self) -> list[str]:
        """The accounts' addresses: each is a mailbox of the demo's servers, and its login name."""
        return [address for file in self._files() for address in _ADDRESS.findall(file.read_text("utf-8"))]

    def point_at(self, imap_port: int, smtp_port: int, password: str) -> None:
        """Rewrite every server to loopback without TLS, and write each secret the files name."""
        ports = {"imap": imap_port, "smtp": smtp_port}
        for file in self._files():
            pieces = _ADDRESS.split(file.read_text("utf-8"))
            text = pieces[0]
            # After splitting, addresses and what follows them take turns.
            for address, block in zip(pieces[1::2], pieces[2::2], strict=True):
                local = f"{{host: 127.0.0.1, port: PORT, security: none, username: {address},"
                rewritten = _SERVER.sub(
                    lambda m, local=local: f"{m[1]}: " + local.replace("PORT", str(ports[m[1]])), block
                )
                text += f"    address: {address}\n    poll: 1s{rewritten}"
            file.write_text(text, "utf-8")
            self._write_secrets(file, text, password)
        add_key(self.secrets, ())

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file as an administrator would; `old` must be in it."""
        file = self.accounts / name
        text = file.read_text("utf-8")
        if old not in text:
            raise ValueError(f"{name} does not hold {old!r}")
        file.write_text(text.replace(old, new), "utf-8")

    def _files(self) -> Iterator[Path]:
        return iter(sorted(self.accounts.rglob("*.yaml")))

    def _write_secrets(self, file: Path, text: str, password: str) -> None:
        unit = file.parent.name if file.parent != self.accounts else file.stem
        for name in set(_SECRET.findall(text)):
            target = self.secrets / unit / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(password + "\n", "utf-8")
