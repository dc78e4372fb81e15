"""The accounts of a campaign: every way of fetching, with own and with main system accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.world import World

MOVED_TO = "Done"
MOVING = ("move", "copy")
"""Ways that move mails there: in one command, and on a server without MOVE."""

Layout = Mapping[str, Sequence[str]]

FULL: Layout = {
    "main": ("reply move", "second-level-reply pop3"),
    "alpha": (
        "inbound seen",
        "inbound move",
        "inbound delete",
        "inbound pop3",
        "reply seen",
        "second-level-reply delete",
    ),
    "beta": ("inbound move", "inbound delete", "inbound pop3", "reply pop3", "second-level-reply move"),
    "gamma": ("inbound seen", "inbound pop3"),
    "delta": ("inbound seen", "inbound move", "reply delete"),
    "epsilon": ("inbound delete", "inbound pop3"),
}
"""Twenty accounts, by unit as `type way`; where a tenant has no system account of a type, main's serves."""

SMALL: Layout = {
    "main": ("reply move", "second-level-reply pop3"),
    "alpha": ("inbound seen", "inbound move", "reply delete"),
    "beta": ("inbound pop3",),
}


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An account and the mailbox it reads. `way`: seen, move, copy, delete (IMAP) or pop3 (which deletes)."""

    unit: str
    kind: str
    way: str
    address: str


def apply_layout(world: World, layout: Layout) -> list[Mailbox]:
    """Write and apply the accounts; their mailboxes, empty."""
    mailboxes: list[Mailbox] = []
    for unit, accounts in layout.items():
        mine = [_mailbox(unit, one, world.fresh(f"{unit}-{number}")) for number, one in enumerate(accounts)]
        world.unit(unit, *(_account(world, f"{m.kind}-{m.way}", m) for m in mine))
        mailboxes += mine
    world.apply()
    for mailbox in mailboxes:
        if mailbox.way == "move":
            world.dovecot.create_folder(mailbox.address, MOVED_TO)
    return mailboxes


def _mailbox(unit: str, account: str, address: str) -> Mailbox:
    kind, way = account.split()
    return Mailbox(unit, kind, way, address)


def _account(world: World, account_id: str, mailbox: Mailbox) -> dict[str, Any]:
    after = {"after_fetch": "delete" if mailbox.way == "pop3" else mailbox.way}
    after |= {"move_to": MOVED_TO} if mailbox.way == "move" else {}
    keys = {"subaddressing": "+"} if mailbox.kind != "inbound" else {}
    account = world.account(account_id, mailbox.address, mailbox.kind, imap=after, **keys)
    if mailbox.way == "pop3":
        block = account.pop("imap") | {"port": world.dovecot.pop3_port}
        account |= {"protocol": "pop3", "pop3": block}
    return account
