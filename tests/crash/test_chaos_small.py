"""The kill campaign of `make chaos`, small: whatever dies where, in the end each mail had its effect once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, update

from reconciler.core.case import EntryKind
from reconciler.store.database import open_store
from reconciler.store.tables import accounts, entries, mails, outbox
from tests.chaos.killing import POINTS
from tests.chaos.mailboxes import MOVED_TO, SMALL
from tests.chaos.run import Campaign, Result, run, table
from tests.rig.certificate import Certificate
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.world import World

CAMPAIGN = Campaign(seed=7, kills=12, mails=40, layout=SMALL)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_small_campaign_loses_nothing_does_nothing_twice_and_would_tell(
    tmp_path: Path, dovecot: Dovecot, certificate: Certificate, fresh_address: Callable[[str], str]
) -> None:
    # A server of its own, that only records: every envelope there is belongs to the campaign.
    smtp_server = SmtpServer(tmp_path, certificate).start()
    try:
        world = World(tmp_path, dovecot, smtp_server, fresh_address)
        result = run(CAMPAIGN, world)
    finally:
        smtp_server.stop()
    assert result.failures == [], table(CAMPAIGN, result)
    assert result.died.keys() >= POINTS.keys()
    spoil(world)
    assert told(result) == {
        "cases opened": (0, 1),
        "notes written": (1, 0),
        "questions sent": (0, 1),
        "mails not acknowledged": (0, 0),
        "IMAP move: in the folder they are moved to": (1, 0),
    }


def spoil(world: World) -> None:
    """Do one harm of each kind: an entry twice, one lost, a mail sent twice unforeseen, one not told of, one gone."""
    store = open_store(world.state)
    with store.write() as connection:
        request = connection.execute(select(entries).where(entries.c.kind == EntryKind.CUSTOMER_MESSAGE)).first()
        assert request is not None
        connection.execute(insert(entries).values({**request._mapping, "id": None}))
        note = select(func.min(entries.c.id)).where(entries.c.kind == EntryKind.NOTE)
        connection.execute(delete(entries).where(entries.c.id == note.scalar_subquery()))
        mail = select(func.min(mails.c.id)).scalar_subquery()
        connection.execute(update(mails).where(mails.c.id == mail).values(acknowledged_at=None))
        sent = connection.execute(select(outbox.c.id, outbox.c.message_id).where(outbox.c.purpose == "forward")).first()
        assert sent is not None
        connection.execute(update(outbox).where(outbox.c.id == sent.id).values(possibly_twice=False))
        moved = (
            select(accounts.c.config).join(mails, mails.c.account_key == accounts.c.key).where(mails.c.move_to != "")
        )
        address = connection.execute(moved).scalars().all()[0]["address"]
    store.close()
    record = world.smtp_server.record
    envelopes = zip(record.read_text().splitlines(), world.smtp_server.envelopes(), strict=True)
    copy = next(line for line, envelope in envelopes if sent.message_id.encode() in envelope.data)
    with record.open("a") as file:
        file.write(copy + "\n")
    world.dovecot.expunge(address, [1], MOVED_TO)


def told(result: Result) -> dict[str, tuple[int, int]]:
    """Rows of a new census that are not good: how many markers are lost, how many there twice."""
    return {row.what: (len(row.lost), len(row.twice)) for row in result.recount().rows if not row.is_good}
