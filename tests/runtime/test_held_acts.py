"""What people do with held mails in bulk and for good, what time does to them, and that each act is recorded."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

import pytest

from reconciler.core.decision import Action
from reconciler.core.errors import Invalid
from reconciler.core.kind import Kind
from reconciler.core.referral import ReferralState
from reconciler.runtime.release import discard, forget, reclassify, release, release_all
from reconciler.runtime.router import Release
from reconciler.runtime.upkeep import for_good, keep_up
from reconciler.store.acts import list_acts, list_exceptions
from tests.mailroom import MailRoom, letter, tenant
from tests.runtime.accounts_folder import REGISTRY

CUSTOMER, EXPERT, AGENT = "carla@customer.example", "expert@partner.example", "agent@desk.example"
AWAY = ("Auto-Submitted: auto-replied",)


@pytest.fixture
def room() -> MailRoom:
    """A case of acme's customer that the expert was asked about."""
    made = MailRoom({"acme": tenant("acme.example", held={"expire": {"uncorrelated": "30d"}})})
    made.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    made.ask(1, EXPERT)
    return made


def answer(room: MailRoom, text: str = "On Monday.", *headers: str, sender: str = EXPERT) -> int:
    """The expert's answer to the first question."""
    asked = message_from_bytes(room.sent(1))
    thread = f"In-Reply-To: {asked['Message-ID']}"
    return room.receive("acme/reply", letter(sender, asked["Reply-To"], "Re", text, thread, *headers))


def relayed(room: MailRoom) -> int:
    return sum(row.purpose == "relay" for row in room.outbox())


def acts(room: MailRoom) -> list[tuple[str, str, str]]:
    """Act, subject and who, newest first."""
    with room.read() as connection:
        return [(done.act.value, done.subject, done.by) for done in list_acts(connection)]


def let_go(room: MailRoom, held: int = 1, *, remember: bool = False) -> Action:
    filing = release(room.store, room.router, held, Release(), AGENT, room.now, remember=remember)
    return filing.decision.action


# Remembered


def test_what_a_person_remembers_passes_from_then_on() -> None:
    room = MailRoom({"acme": tenant("acme.example", referrals={"further_answers": "relay"})})
    room.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    room.ask(1, EXPERT)
    listed = ("List-Id: <experts.lists.example>", "Precedence: list", "List-Post: <mailto:x@lists.example>")
    answer(room, "First.", *listed)
    assert (room.held(), relayed(room)) == (["not-human"], 0)
    assert let_go(room, remember=True) is Action.RELAY
    answer(room, "Second.", *listed)
    assert (room.held(), relayed(room)) == ([], 2)
    with room.read() as connection:
        (made,) = list_exceptions(connection)
    assert (made.contact, made.kind) == (EXPERT, "list")
    forget(room.store, made.id, AGENT, room.now)
    answer(room, "Third.", *listed)
    assert (room.held(), relayed(room)) == (["not-human"], 2)
    assert [act for act, _, _ in acts(room)] == ["forget", "release", "remember"]


def test_an_absence_note_is_never_remembered(room: MailRoom) -> None:
    answer(room, "I am away.", *AWAY)
    assert (room.held(), relayed(room)) == ([], 0)


def test_only_the_contact_itself_is_remembered(room: MailRoom) -> None:
    answer(room, "Yes.", "List-Id: <x.example>", "Precedence: list", sender="colleague@partner.example")
    with pytest.raises(Invalid, match="not from the contact"):
        let_go(room, remember=True)
    assert (room.held(), relayed(room)) == (["not-human"], 0)


def test_a_persons_answer_needs_no_exception(room: MailRoom) -> None:
    answer(room, "Yes.", sender="x@elsewhere.example")
    with pytest.raises(Invalid, match="can be remembered"):
        let_go(room, remember=True)


# In bulk


def test_all_of_a_reason_are_released_and_what_stays_hinders_no_other(room: MailRoom) -> None:
    room.ask(1, "other@else.example")
    for sender in ("a@elsewhere.example", "b@elsewhere.example"):
        answer(room, f"From {sender}.", sender=sender)
    room.receive("acme/reply", letter(EXPERT, "reply@acme.example", "What?", "Which case?"))
    assert room.held() == ["unexpected-sender", "unexpected-sender", "uncorrelated"]
    done = release_all(room.store, room.router, "unexpected-sender", "acme", AGENT, room.now)
    assert [one.action for one in done] == [Action.RELAY, Action.RELAY]
    assert release_all(room.store, room.router, "unexpected-sender", "globex", AGENT, room.now) == []
    (stays,) = release_all(room.store, room.router, "uncorrelated", None, AGENT, room.now)
    assert (stays.action, room.held()) == (None, ["uncorrelated"])
    assert "stays held" in stays.why


# Reclassified


def test_a_persons_answer_that_was_taken_for_a_robots_is_relayed_after_all(room: MailRoom) -> None:
    mail_id = answer(room, "It left on Monday.", *AWAY)
    assert (room.actions()[-1], relayed(room)) == ("file", 0)
    filing = reclassify(room.store, room.router, mail_id, Kind.HUMAN, AGENT, room.now)
    assert (filing.decision.action, relayed(room)) == (Action.RELAY, 1)
    assert room.referral(1).state is ReferralState.ANSWERED
    assert acts(room)[0] == ("reclassify", f"M{mail_id}", AGENT)
    with pytest.raises(Invalid, match="nothing to correct"):
        reclassify(room.store, room.router, mail_id, Kind.HUMAN, AGENT, room.now)
    assert relayed(room) == 1


def test_reclassifying_settles_the_kind_and_no_other_doubt(room: MailRoom) -> None:
    listed = ("List-Id: <x.example>", "Precedence: list")
    mail_id = answer(room, "It left on Monday.", *listed, sender="stranger@elsewhere.example")
    filing = reclassify(room.store, room.router, mail_id, Kind.HUMAN, AGENT, room.now)
    assert (filing.decision.action, room.held(), relayed(room)) == (Action.HOLD, ["unexpected-sender"], 0)


def test_a_held_mail_that_is_a_bounce_after_all_is_never_relayed(room: MailRoom) -> None:
    mail_id = answer(room, "It left on Monday.", sender="stranger@elsewhere.example")
    filing = reclassify(room.store, room.router, mail_id, Kind.AUTO_REPLY, AGENT, room.now)
    assert (filing.decision.action, room.held(), relayed(room)) == (Action.FILE, [], 0)


def test_a_mail_that_opened_a_case_cannot_be_taken_back(room: MailRoom) -> None:
    with pytest.raises(Invalid, match="nothing to correct"):
        reclassify(room.store, room.router, 1, Kind.BULK, AGENT, room.now)
    with pytest.raises(Invalid, match="no mail M99"):
        reclassify(room.store, room.router, 99, Kind.BULK, AGENT, room.now)


# Expired


@pytest.mark.parametrize(("days", "left"), [(29, ["uncorrelated"]), (31, [])], ids=["in-time", "too-late"])
def test_a_held_mail_waits_as_long_as_the_tenant_says(room: MailRoom, days: int, left: list[str]) -> None:
    room.receive("acme/reply", letter(EXPERT, "reply@acme.example", "What?", "Which case?"))
    room.later(days=days)
    keep_up(room.store, for_good(room.store), REGISTRY, room.now)
    assert room.held() == left
    assert [act for act, _, _ in acts(room)] == ([] if left else ["expire"])


def test_every_act_of_a_person_is_in_the_record(room: MailRoom) -> None:
    answer(room, "Yes.", sender="a@elsewhere.example")
    discard(room.store, 1, "spam", AGENT, room.now)
    answer(room, "No.", sender="b@elsewhere.example")
    let_go(room, 2)
    assert acts(room) == [("release", "H2", AGENT), ("discard", "H1", AGENT)]


# Escalated


def test_a_silent_contact_sends_the_case_to_another_queue_once_and_in_working_hours() -> None:
    keys: dict[str, Any] = {"referrals": {"escalate": {"after": "2d", "queue": "second"}}, "hours": {}}
    room = MailRoom({"acme": tenant("acme.example", **keys)})
    room.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    room.later(days=3)  # It is Thursday now: two days later is a Saturday.
    room.ask(1, EXPERT)
    room.later(days=2, hours=1)
    assert (room.reminding.look(), room.cases()[0].queue) == (0, None)
    room.later(days=2)
    assert (room.reminding.look(), room.cases()[0].queue) == (1, "second")
    assert room.reminding.look() == 0
