"""What is taken after its time, and what is left of a person who was erased: nothing that says who it was."""

from __future__ import annotations

import sqlite3
from email import message_from_bytes

import pytest

from reconciler.core.act import Act
from reconciler.core.case import CaseState
from reconciler.core.errors import Invalid
from reconciler.core.referral import ReferralState
from reconciler.runtime.upkeep import dry, erase, for_good, keep_up
from reconciler.store.acts import list_acts
from tests.mailroom import MailRoom, letter, tenant
from tests.runtime.accounts_folder import REGISTRY

CUSTOMER, EXPERT, AGENT = "carla@customer.example", "erika@partner.example", "privacy@desk.example"
SECRETIVE = ("carla", "erika", "my parcel", "where is it", "on monday", "do you know")
KEPT = {"mails": "30d", "cases": "90d", "unassigned": "7d"}


def room(**retention: str) -> MailRoom:
    """A case that was opened, asked about, answered, relayed and closed; and a stray bounce."""
    made = MailRoom({"acme": tenant("acme.example", retention=retention)})
    made.receive("acme/support", letter(f"Carla <{CUSTOMER}>", "support@acme.example", "My parcel", "Where is it?"))
    made.ask(1, f"Erika <{EXPERT}>")
    asked = message_from_bytes(made.sent(1))
    thread = (f"In-Reply-To: {asked['Message-ID']}", "Message-ID: <1@partner.example>")
    made.receive("acme/reply", letter(f"Erika <{EXPERT}>", asked["Reply-To"], "Re: My parcel", "On Monday.", *thread))
    made.receive(
        "acme/support", letter("carla@customer.example", "x@acme.example", "Away", "x", "Auto-Submitted: auto-replied")
    )
    for row in made.outbox():
        with made.store.write() as connection:
            connection.exec_driver_sql("UPDATE outbox SET state = 'sent' WHERE id = ?", (row.id,))
    made.desk.close(1, made.now)
    return made


def words(made: MailRoom) -> str:
    """Everything readable in the whole database, mails unpacked, the applied configuration left out."""
    import zstandard

    with made.read() as connection:
        raw: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
        tables = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = []
        for table in set(tables) - {"revisions", "accounts", "units"}:
            for row in raw.execute(f"SELECT * FROM {table}"):
                for value in row:
                    if isinstance(value, bytes) and value[:4] == b"\x28\xb5\x2f\xfd":
                        value = zstandard.ZstdDecompressor().decompress(value, 10_000_000)
                    found.append(value.decode("latin-1") if isinstance(value, bytes) else str(value))
    return "\n".join(found).lower()


def test_without_settings_nothing_is_ever_taken() -> None:
    made = room()
    made.later(days=9_999)
    assert keep_up(made.store, for_good(made.store), REGISTRY, made.now) == {}


@pytest.mark.parametrize(
    ("days", "taken"),
    [
        (6, set()),
        (8, {"raw_mails", "mails"}),
        (31, {"raw_mails", "mails", "sent_mails"}),
        (91, {"raw_mails", "mails", "sent_mails", "cases", "entries"}),
    ],
)
def test_each_thing_is_taken_in_its_time(days: int, taken: set[str]) -> None:
    made = room(**KEPT)
    made.later(days=days)
    counted = keep_up(made.store, dry(made.store), REGISTRY, made.now)
    before = words(made)
    done = keep_up(made.store, for_good(made.store), REGISTRY, made.now)
    assert done == counted
    assert {what for counts in done.values() for what, number in counts.items() if number} == taken
    assert (words(made) == before) is not bool(taken)
    assert keep_up(made.store, for_good(made.store), REGISTRY, made.now) == {}


def test_a_dry_run_changes_nothing() -> None:
    made = room(**KEPT)
    made.later(days=91)
    before = words(made)
    assert keep_up(made.store, dry(made.store), REGISTRY, made.now)
    erase(dry(made.store), CUSTOMER, None, reason="x", by=AGENT, now=made.now)
    assert words(made) == before


def test_an_old_case_keeps_its_number_and_no_words() -> None:
    made = room(**KEPT)
    made.later(days=91)
    keep_up(made.store, for_good(made.store), REGISTRY, made.now)
    left = words(made)
    assert [word for word in SECRETIVE if word in left] == []
    (case,) = made.cases()
    assert (case.id, case.state, case.customer_address) == (1, CaseState.CLOSED, "")


def test_a_customer_who_answers_after_that_is_not_held() -> None:
    made = room(**KEPT)
    relay = message_from_bytes(made.sent(2))
    made.later(days=91)
    keep_up(made.store, for_good(made.store), REGISTRY, made.now)
    made.receive(
        "acme/support", letter(CUSTOMER, relay["Reply-To"], "Re", "Again.", f"In-Reply-To: {relay['Message-ID']}")
    )
    assert (made.held(), len(made.cases())) == ([], 2)


def test_a_case_that_still_waits_for_its_contact_stays() -> None:
    made = MailRoom({"acme": tenant("acme.example", retention=KEPT)})
    made.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    made.ask(1, EXPERT)
    made.desk.close(1, made.now)
    made.later(days=91)
    keep_up(made.store, for_good(made.store), REGISTRY, made.now)
    assert made.cases()[0].customer_address == CUSTOMER


@pytest.mark.parametrize("address", [CUSTOMER, CUSTOMER.upper(), "carla+shop@customer.example"])
def test_nothing_of_an_erased_customer_is_left(address: str) -> None:
    made = room()
    counts = erase(for_good(made.store), address, None, reason="asked for it", by=AGENT, now=made.now)
    left = words(made)
    assert [word for word in ("carla", "my parcel", "where is it") if word in left] == []
    assert counts["cases"] == 1
    with made.read() as connection:
        (done,) = list_acts(connection)
    assert (done.act, done.by, done.reason) == (Act.ERASE, AGENT, "asked for it")


def test_nothing_of_an_erased_contact_is_left_and_the_case_stays() -> None:
    made = room()
    erase(for_good(made.store), EXPERT, None, reason="asked", by=AGENT, now=made.now)
    left = words(made)
    assert [word for word in ("erika", "partner.example") if word in left] == []
    assert made.cases()[0].customer_address == CUSTOMER


def test_who_is_erased_while_a_question_is_open_gets_and_sends_nothing_any_more() -> None:
    made = MailRoom()
    made.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    made.ask(1, EXPERT)
    erase(for_good(made.store), CUSTOMER, None, reason="asked", by=AGENT, now=made.now)
    assert made.referral(1).state is ReferralState.WITHDRAWN
    assert [row.state.value for row in made.outbox()] == ["failed"]
    assert made.reminding.look() == 0


def test_another_tenants_and_other_peoples_words_stay() -> None:
    made = MailRoom()
    for unit in ("acme", "globex"):
        made.receive(f"{unit}/support", letter(CUSTOMER, f"support@{unit}.example"))
    made.receive("acme/support", letter("notcarla@customer.example", "support@acme.example"))
    erase(for_good(made.store), CUSTOMER, "acme", reason="asked", by=AGENT, now=made.now)
    assert [case.customer_address for case in made.cases()] == ["", CUSTOMER, "notcarla@customer.example"]


def test_what_is_no_address_is_refused() -> None:
    made = MailRoom()
    with pytest.raises(Invalid, match="no address"):
        erase(for_good(made.store), "carla", None, reason="x", by=AGENT, now=made.now)
