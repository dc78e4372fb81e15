"""The mail servers of a fetch campaign behind one bad network: restarted, renumbered, and counted how often."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.mailboxes import MOVED_TO, MOVING, Layout, Mailbox
from tests.rig.dovecot import Dovecot
from tests.rig.faulty_proxy import FaultyProxy
from tests.world import World


class Servers:
    """A Dovecot with MOVE (IMAP and POP3) and one without, which the program reaches through a faulty proxy only.

    `busy` is held while a server is away. `done` counts restarts and resets.
    """

    def __init__(self, moving: Dovecot, copying: Dovecot, proxy: FaultyProxy) -> None:
        self.moving, self.copying, self.proxy = moving, copying, proxy
        self.busy = threading.Lock()
        self.done: Counter[str] = Counter()
        self._ports = {
            "imap": proxy.listen(lambda: moving.port, "imap"),
            "copy": proxy.listen(lambda: copying.port, "imap"),
            "pop3": proxy.listen(lambda: moving.pop3_port, "pop3"),
        }

    def of(self, way: str) -> Dovecot:
        """The server of the mailboxes that are fetched in this way."""
        return self.copying if way == "copy" else self.moving

    def apply(self, world: World, layout: Layout) -> list[Mailbox]:
        """Write and apply accounts behind the proxy; their mailboxes, empty."""
        mailboxes: list[Mailbox] = []
        for unit, ways in layout.items():
            mine = [Mailbox(unit, "inbound", way, world.fresh(f"{unit}-{n}")) for n, way in enumerate(ways)]
            world.unit(unit, *(self._account(world, account_id(m), m) for m in mine))
            mailboxes += mine
        world.apply()
        for mailbox in mailboxes:
            if mailbox.way in MOVING:
                self.of(mailbox.way).create_folder(mailbox.address, MOVED_TO)
        return mailboxes

    def restart(self, server: Dovecot) -> None:
        """Stop and start a server, as an update does."""
        with self.busy:
            server.stop()
            server.start()
        self.done["restarts of a server"] += 1

    def renumber(self, mailbox: Mailbox, folder: str = "INBOX") -> None:
        """Have a folder give out its UIDs anew, while nobody is connected."""
        with self.busy:
            self.proxy.down()
            try:
                self.of(mailbox.way).bump_uidvalidity(mailbox.address, folder)
            finally:
                self.proxy.up()
        self.done["UIDVALIDITY resets (POP3)" if mailbox.way == "pop3" else "UIDVALIDITY resets (IMAP)"] += 1

    def _account(self, world: World, name: str, mailbox: Mailbox) -> dict[str, Any]:
        how: dict[str, Any] = {"port": self._ports.get(mailbox.way, self._ports["imap"])}
        if mailbox.way in MOVING:
            how |= {"after_fetch": "move", "move_to": MOVED_TO}
        else:
            how |= {"after_fetch": "delete" if mailbox.way == "pop3" else mailbox.way}
        account = world.account(name, mailbox.address, imap=how, weight=3)
        if mailbox.way == "pop3":
            account |= {"protocol": "pop3", "pop3": account.pop("imap")}
        return account


def account_id(mailbox: Mailbox) -> str:
    """The id of a mailbox's account, unique in its unit."""
    return mailbox.address.partition("@")[0]


def labels(mailboxes: Sequence[Mailbox]) -> list[str]:
    """The accounts as commands name them."""
    return [f"{mailbox.unit}/{account_id(mailbox)}" for mailbox in mailboxes]
