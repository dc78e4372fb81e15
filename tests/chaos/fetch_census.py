"""Counts what became of every mail of a fetch campaign: in the ledger, on the cases, in the mailboxes, in the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from email import message_from_bytes

from sqlalchemy import Connection, func, select

from reconciler.core.case import EntryKind
from reconciler.store.database import open_store
from reconciler.store.ledger import MailState
from reconciler.store.tables import cases, entries, held, mails, raw_mails
from tests.chaos.census import Census, Row, count_folders, counted
from tests.chaos.mailboxes import Mailbox
from tests.chaos.servers import Servers, labels
from tests.chaos.traffic import REQUEST, markers
from tests.office import text_of
from tests.world import World


def take_fetch_census(
    world: World, servers: Servers, delivered: Mapping[str, Mailbox], mailboxes: Sequence[Mailbox], renamed: set[str]
) -> Census:
    """Count everything; the program must not run.

    `renamed` are mails that lay in a POP3 mailbox when it gave out its UIDLs anew. POP3 has nothing that says
    so: one that was stored and not yet deleted is a new mail by its new UIDL. These may be there twice, no others.
    """
    census = Census()
    store = open_store(world.state)
    try:
        with store.read() as connection:
            _count_store(census, connection, delivered, renamed)
    finally:
        store.close()
    for way in dict.fromkeys(mailbox.way for mailbox in mailboxes):
        count_folders(census, servers.of(way), delivered, [m for m in mailboxes if m.way == way], way)
    differences = [one for label in labels(mailboxes) for one in _differences(world, label)]
    row = Row("differences between server and ledger", "reconciler audit, every account", 0, len(differences))
    census.rows.append(row)
    census.asides += differences
    return census


def _count_store(
    census: Census, connection: Connection, delivered: Mapping[str, Mailbox], renamed: Collection[str]
) -> None:
    stored: Counter[str] = Counter()
    for (raw,) in connection.execute(select(raw_mails.c.data)):
        stored.update(markers(text_of(message_from_bytes(raw)), REQUEST) or {"a mail without marker"})
    opened: Counter[str] = Counter()
    for (text,) in connection.execute(select(entries.c.text).where(entries.c.kind == EntryKind.CUSTOMER_MESSAGE.value)):
        opened.update(markers(text, REQUEST) or {"an entry without marker"})
    again = {one for one in renamed if stored[one] == 2}
    for found in (stored, opened):
        found.subtract({one: 1 for one in again if found[one] == 2})
    census.rows += [
        counted("mails stored", "raw bytes in the store", delivered, stored),
        counted("mails routed", "customer messages on cases", delivered, opened),
        Row("cases", "rows of the store", len(delivered), _number(connection, cases) - len(again)),
        Row("mails not acknowledged", "rows of the ledger", 0, _number(connection, mails, "acknowledged_at")),
        Row("mails not routed", "rows of the ledger", 0, _number(connection, mails, "state")),
        Row("mails held", "rows of the store", 0, _number(connection, held)),
    ]
    census.asides.append(
        f"POP3: {len(renamed)} mails had been delivered when their mailbox gave out its UIDLs anew (Dovecot makes them "
        f"of UIDVALIDITY); {len(again)} were stored, not yet deleted, and came once more, which is not counted above"
    )


def _number(connection: Connection, table: object, column: str | None = None) -> int:
    query = select(func.count()).select_from(table)  # type: ignore[arg-type]
    if column == "acknowledged_at":
        query = query.where(mails.c.acknowledged_at.is_(None))
    elif column == "state":
        query = query.where(mails.c.state == MailState.RECEIVED.value)
    return int(connection.execute(query).scalar_one())


def _differences(world: World, label: str) -> list[str]:
    folders = world.json("audit", label, check=(0, 1))["folders"]
    return [
        f"{label} {folder['folder']}: {one['uid']} {one['difference']}, {one['detail']}"
        for folder in folders
        for one in folder["differences"]
    ]
