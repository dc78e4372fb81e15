"""Counts what became of every marker: in the store, on the cases, at the SMTP server and in the mailboxes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes

from sqlalchemy import Connection, func, select

from reconciler.core.case import EntryKind
from reconciler.core.outbox import OutboxState
from reconciler.store.database import open_store
from reconciler.store.ledger import MailState
from reconciler.store.tables import entries, held, mails, outbox, raw_mails
from tests.chaos.mailboxes import MOVED_TO, MOVING, Mailbox
from tests.chaos.traffic import ANSWER, NOTE, QUESTION, REQUEST, Traffic, envelope_text, markers
from tests.office import header, text_of
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import Envelope
from tests.world import World


@dataclass(frozen=True, slots=True)
class Row:
    """What was counted, how, and which markers are lost, there twice, or where they should not be."""

    what: str
    how: str
    expected: int
    found: int
    lost: Collection[str] = ()
    twice: Collection[str] = ()
    strange: Collection[str] = ()

    @property
    def is_good(self) -> bool:
        """Each once, and nothing else."""
        return self.expected == self.found and not (self.lost or self.twice or self.strange)


@dataclass(slots=True)
class Census:
    """All rows, and what to know beside them."""

    rows: list[Row] = field(default_factory=list)
    asides: list[str] = field(default_factory=list)


def take_census(world: World, traffic: Traffic, mailboxes: Iterable[Mailbox]) -> Census:
    """Count everything; the program must not run."""
    census = Census()
    store = open_store(world.state)
    try:
        with store.read() as connection:
            _count_store(census, connection, traffic)
            _count_cases(census, connection, traffic)
            _count_envelopes(census, connection, world, traffic)
            _count_leftovers(census, connection)
    finally:
        store.close()
    for way in ("seen", "move", "delete", "pop3"):
        count_folders(census, world.dovecot, traffic.delivered, [m for m in mailboxes if m.way == way], way)
    return census


def expected_of(traffic: Traffic, *kinds: str) -> set[str]:
    """Markers of these kinds that were delivered."""
    return {one for one in traffic.delivered if markers(one, *kinds)}


def counted(what: str, how: str, expected: Collection[str], found: Counter[str]) -> Row:
    """Which markers are lost, twice or strange."""
    return Row(
        what,
        how,
        len(expected),
        found.total(),
        sorted(set(expected) - found.keys()),
        sorted(one for one, count in found.items() if count > 1),
        sorted(found.keys() - set(expected)),
    )


def _count_store(census: Census, connection: Connection, traffic: Traffic) -> None:
    found: Counter[str] = Counter()
    for (raw,) in connection.execute(select(raw_mails.c.data)):
        found.update(markers(text_of(message_from_bytes(raw)), REQUEST, ANSWER, NOTE) or {"a mail without marker"})
    census.rows.append(counted("mails stored", "raw bytes in the store", traffic.delivered, found))


def _count_cases(census: Census, connection: Connection, traffic: Traffic) -> None:
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(select(entries.c.kind, entries.c.text)):
        by_kind[row.kind].update(markers(row.text, REQUEST, QUESTION, ANSWER, NOTE))
    questions = {one.replace(REQUEST, QUESTION) for one in expected_of(traffic, REQUEST)}
    asked = by_kind[EntryKind.FORWARD] + by_kind[EntryKind.INQUIRY]
    for what, kinds, expected, found in (
        (
            "cases opened",
            "customer messages on cases",
            expected_of(traffic, REQUEST),
            by_kind[EntryKind.CUSTOMER_MESSAGE],
        ),
        ("questions asked", "forwards and inquiries on cases", questions, asked),
        (
            "answers taken",
            "external answers on cases",
            expected_of(traffic, ANSWER),
            by_kind[EntryKind.EXTERNAL_ANSWER],
        ),
        ("relays written", "relays on cases", expected_of(traffic, ANSWER), by_kind[EntryKind.RELAY]),
        ("notes written", "notes on cases", expected_of(traffic, NOTE), by_kind[EntryKind.NOTE]),
    ):
        census.rows.append(counted(what, kinds, expected, found))


def _count_envelopes(census: Census, connection: Connection, world: World, traffic: Traffic) -> None:
    """A mail counts once if all its copies are one mail, and there are several only where that was foreseen."""
    doubtful = {
        row.message_id for row in connection.execute(select(outbox.c.message_id).where(outbox.c.possibly_twice))
    }
    groups: dict[tuple[str, str], list[Envelope]] = defaultdict(list)
    for envelope in world.smtp_server.envelopes():
        groups[envelope.rcpt_tos[0], _message_id(envelope)].append(envelope)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for (recipient, message_id), copies in groups.items():
        counts_once = _are_one_mail(copies) and (len(copies) == 1 or message_id in doubtful)
        who, kinds = recipient.partition("-")[0], (QUESTION, ANSWER, NOTE)
        for one in markers(envelope_text(copies[0]), *kinds) or {f"a mail without marker to {recipient}"}:
            found[who][one] += 1 if counts_once else len(copies)
    questions = {one.replace(REQUEST, QUESTION) for one in expected_of(traffic, REQUEST)}
    census.rows += [
        counted("questions sent", "SMTP, to the externals", questions, found.pop("expert", Counter())),
        counted(
            "relays sent", "SMTP, to the customers", expected_of(traffic, ANSWER), found.pop("customer", Counter())
        ),
        counted("answers sent", "SMTP, to the agents", expected_of(traffic, NOTE), found.pop("agent", Counter())),
        counted("other mails sent", "SMTP, to anybody else", (), sum(found.values(), Counter())),
    ]
    several = {message_id: copies for (_, message_id), copies in groups.items() if len(copies) > 1}
    census.asides.append(
        f"possibly twice: {len(doubtful)} mails are marked; {len(several)} Message-IDs came more than once, "
        f"{sum(map(_are_one_mail, several.values()))} of them with identical bytes each time:"
    )
    census.asides += [f"  {len(copies)} x {message_id}" for message_id, copies in sorted(several.items())]


def _are_one_mail(copies: Sequence[Envelope]) -> bool:
    return len({(copy.mail_from, copy.data) for copy in copies}) == 1


def _message_id(envelope: Envelope) -> str:
    return header(message_from_bytes(envelope.data), "Message-ID")


def _count_leftovers(census: Census, connection: Connection) -> None:
    def count(column: object, *where: object) -> int:
        return int(connection.execute(select(func.count()).select_from(column).where(*where)).scalar_one())  # type: ignore[arg-type]

    unsent = count(outbox, outbox.c.state != OutboxState.SENT.value)
    for what, how, number in (
        ("mails not acknowledged", "rows of the ledger", count(mails, mails.c.acknowledged_at.is_(None))),
        ("mails not routed", "rows of the ledger", count(mails, mails.c.state == MailState.RECEIVED.value)),
        ("mails held", "rows of the ledger", count(held)),
        ("mails not sent", "rows of the outbox", unsent),
    ):
        census.rows.append(Row(what, how, 0, number))
    most = connection.execute(select(func.max(mails.c.interruptions))).scalar_one()
    census.asides.append(f"the program ended at most {most} times while it read one and the same mail")


def count_folders(
    census: Census, dovecot: Dovecot, delivered: Mapping[str, Mailbox], mailboxes: list[Mailbox], way: str
) -> None:
    """What lies in the mailboxes that are fetched in one way, on this server."""
    here: set[str] = set()
    found: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for mailbox in mailboxes:
        mine = {one for one, where in delivered.items() if where == mailbox}
        here |= mine
        inbox, done = dovecot.messages(mailbox.address), []
        if way in MOVING:
            done = dovecot.messages(mailbox.address, MOVED_TO)
        elif way == "seen":
            done = [one for one in inbox if "\\Seen" in one.flags]
            inbox = [one for one in inbox if "\\Seen" not in one.flags]
        for mails_there, counter in ((done, found), (inbox, left)):
            for one in mails_there:
                counter.update(markers(text_of(message_from_bytes(one.raw)), REQUEST, ANSWER, NOTE))
    if way in ("seen", *MOVING):
        where = "in the folder they are moved to" if way in MOVING else "marked as seen"
        census.rows.append(counted(f"IMAP {way}: {where}", f"over IMAP, {len(mailboxes)} mailboxes", here, found))
    name = "POP3 delete" if way == "pop3" else f"IMAP {way}"
    census.rows.append(
        counted(f"{name}: left in the inbox", f"over IMAP, {len(mailboxes)} mailboxes, {len(here)} mails", (), left)
    )
