"""The example at work: `accounts.d` as it is delivered, on the servers of the rig, with mails that came in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.office import Commands
from tests.world import World

FOLDER = Path(__file__).parents[1] / "accounts.d"

_IMAP = re.compile(r"imap: \{host: mail\.([a-z.]+), port: 993, security: tls, username: ([a-z-]+),")
_SECRET = re.compile(r"\{secret: ([a-z-]+)\}")


class Example(Commands):
    """A copy of the example, applied; its accounts were looked at once, as they take what comes from then on.

    Nothing of it is changed but where its mailboxes are: on the rig, each its own.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._mailboxes: dict[str, str] = {}
        shutil.rmtree(world.accounts)
        shutil.copytree(FOLDER, world.accounts)
        for file in world.accounts.rglob("*.yaml"):
            self._place(file)
        self.command("apply")
        self.fetch()

    def _place(self, file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        here, accounts = _IMAP.subn(self._server, text)
        assert accounts == text.count("imap: {"), f"{file.name}: an account's server is written otherwise"
        file.write_text(here, encoding="utf-8")
        unit = file.relative_to(self.world.accounts).parts[0].removesuffix(".yaml")
        for name in set(_SECRET.findall(text)):
            self.world.secret(unit, name, self.world.dovecot.password)

    def _server(self, written: re.Match[str]) -> str:
        domain, login = written.groups()
        mailbox = self._mailboxes[f"{login}@{domain}"] = self.world.fresh(f"{login}-{domain}")
        port = self.world.dovecot.tls_port
        return f"imap: {{host: localhost, port: {port}, security: tls, username: {mailbox},"

    def receive(self, address: str, mails: Iterable[bytes]) -> None:
        """These mails come to the address, are fetched in their order and routed."""
        for raw in mails:
            self.world.dovecot.deliver(self._mailboxes[address], raw)
        self.fetch()

    def write_rules(self, rules: str, tenant: str = "acme") -> None:
        """Write this block, from `routing:` on, in place of the tenant's rules; its tests of them go."""
        file = self.world.accounts / f"{tenant}.yaml"
        kept, found, _ = file.read_text(encoding="utf-8").partition("# Rules are asked")
        assert found, f"{file.name} has no rules"
        file.write_text(kept + rules, encoding="utf-8")

    def revisions(self, tenant: str = "acme") -> list[str]:
        """The numbers of the tenant's revisions, newest first."""
        return [str(line["revision"]) for line in self.json("history", tenant)["tenants"]]
