"""Reminders reach the external in the question's thread and stop when they must; late answers wait for a person."""

from __future__ import annotations

from datetime import timedelta
from email.message import Message
from typing import Any

import pytest

from reconciler.runtime.clock import utc_now
from tests.office import ANSWER, QUESTION, Office, header, reply_to, text_of
from tests.world import World, until

POLICY: dict[str, Any] = {"remind": {"after": "2d", "repeat": "1d", "max": 2}}


@pytest.fixture
def office(world: World) -> Office:
    return Office(world, referrals=POLICY, name="Acme Ltd")


@pytest.fixture
def asked(office: Office) -> Message:
    """A forward of C1 as the expert has it."""
    return office.forwarded(office.opened())


def reminders(office: Office) -> list[Message]:
    """The reminders in the expert's mailbox."""
    return [m for m in office.received(office.expert) if header(m, "Subject").startswith("Reminder: ")]


def looks(office: Office, *days: float) -> list[int]:
    """How many reminders the expert has after looking so many days from now, one after the other."""
    begin, counts = utc_now(), []
    for day in days:
        office.reminded_at(begin + timedelta(days=day))
        counts.append(len(reminders(office)))
    return counts


# By hand


def test_a_reminder_follows_the_question_in_its_thread_with_a_token_of_its_own(office: Office, asked: Message) -> None:
    answer = office.json("remind", "R1", "--text", "Please hurry.")
    assert answer == {"format_version": 1, "referral": "R1", "outbox": "O2"}
    office.send()
    (reminder,) = reminders(office)
    assert header(reminder, "Subject") == "Reminder: [Acme Ltd C1] My parcel"
    assert header(reminder, "In-Reply-To") == asked["Message-ID"]
    assert header(reminder, "References").split() == [asked["Message-ID"]]
    assert reply_to(reminder) != reply_to(asked)
    assert header(reminder, "From") == header(asked, "From")
    for words in ("Please hurry.", f"> {QUESTION}", f"We asked you on {utc_now().date().isoformat()}"):
        assert words in text_of(reminder)
    referral = office.referral()
    assert (referral["reminders"], referral["state"]) == (1, "waiting")
    assert referral["reminded_at"] is not None
    assert "(1 reminder)" in office.command("referrals").out
    assert office.kinds("C1")[-1] == "reminder"


def test_an_answer_to_the_reminder_counts_as_one_to_the_question(office: Office, asked: Message) -> None:
    office.command("remind", "R1")
    office.send()
    office.answers(reminders(office)[0])
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    assert (office.referral()["state"], office.held()) == ("answered", [])


def test_the_first_questions_token_still_counts_after_a_reminder(office: Office, asked: Message) -> None:
    office.command("remind", "R1")
    office.send()
    office.answers(asked, threaded=False)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]


def test_an_inquiry_is_reminded_of_through_its_account(office: Office) -> None:
    office.asked(office.opened())
    office.command("remind", "R1")
    office.send()
    assert reply_to(reminders(office)[0]).startswith(office.world.main_second_level.partition("@")[0])


@pytest.mark.parametrize("before", ["withdraw R1", "close C1"])
def test_what_nobody_waits_for_cannot_be_reminded_of(office: Office, asked: Message, before: str) -> None:
    office.command(*before.split())
    assert office.command("remind", "R1", check=1).err
    office.send()
    assert reminders(office) == []


def test_what_was_answered_cannot_be_reminded_of(office: Office, asked: Message) -> None:
    office.answers(asked)
    office.route()
    assert "is answered" in office.command("remind", "R1", check=1).err


# Withdrawn


def test_an_answer_after_the_withdrawal_is_held_and_no_release_relays_it(office: Office, asked: Message) -> None:
    assert office.json("withdraw", "R1") == {"format_version": 1, "referral": "R1", "state": "withdrawn"}
    office.answers(asked)
    office.route()
    assert (office.received(), office.held()) == ([], ["referral-withdrawn"])
    assert "referral-withdrawn" in office.command("release", "H1", check=1).err
    office.command("release", "H1", "--referral", "R1", check=1)
    office.send()
    assert (office.received(), office.referral()["state"], office.held()) == ([], "withdrawn", ["referral-withdrawn"])


def test_a_referral_is_withdrawn_once_and_not_after_its_answer(office: Office, asked: Message) -> None:
    office.command("withdraw", "R1")
    assert "R1 is withdrawn" in office.command("withdraw", "R1", check=1).err
    other = office.forwarded("C1", office.outside("other", "partner.example"))
    office.answers(other, sender=office.referrals()[1]["contact"]["address"])
    office.route()
    assert "R2 is answered" in office.command("withdraw", "R2", check=1).err


# By policy


def test_reminders_go_out_after_repeat_and_at_most_max(office: Office, asked: Message) -> None:
    assert looks(office, 1.9, 2.1, 2.2, 2.9, 3.2, 4.5, 30) == [0, 1, 1, 1, 2, 2, 2]
    assert office.referral()["reminders"] == 2
    first, second = reminders(office)
    assert header(second, "References").split() == [asked["Message-ID"], first["Message-ID"]]
    author = office.case("C1")["entries"][-1]["author"]
    assert author == "system"


def test_days_that_were_missed_are_not_made_up_at_once(office: Office, asked: Message) -> None:
    assert looks(office, 10, 10.01, 10.1) == [1, 1, 2]


def test_a_reminder_by_hand_counts(office: Office, asked: Message) -> None:
    office.command("remind", "R1")
    office.send()
    assert looks(office, 2.5, 3.5, 9) == [1, 2, 2]


def test_without_a_policy_nobody_is_reminded(world: World) -> None:
    office = Office(world)
    office.forwarded(office.opened())
    assert looks(office, 3, 30) == [0, 0]


def test_who_is_away_is_reminded_the_day_after_he_is_back(office: Office, asked: Message) -> None:
    back = (utc_now() + timedelta(days=9)).date()
    office.answers(asked, f"I am out of the office until {back.isoformat()}.", "Auto-Submitted: auto-replied")
    office.route()
    assert office.referral()["out_of_office_until"] == back.isoformat()
    assert looks(office, 2.5, 8.5, 9.1, 11.1) == [0, 0, 0, 1]


def test_a_closed_case_is_not_reminded_of_until_it_is_reopened(office: Office, asked: Message) -> None:
    office.command("close", "C1")
    assert looks(office, 3) == [0]
    office.command("reopen", "C1")
    assert looks(office, 3) == [1]


def test_an_answered_referral_is_not_reminded_of(office: Office, asked: Message) -> None:
    office.answers(asked)
    office.route()
    assert looks(office, 3, 30) == [0, 0]


def test_a_removed_tenant_reminds_nobody(office: Office, asked: Message) -> None:
    office.world.folder.remove("acme")
    blocked = office.command("apply", check=3)
    digest = (blocked.out + blocked.err).partition("reconciler ack ")[2].split()[0]
    office.command("ack", digest, "--reason", "they left")
    office.command("apply")
    assert looks(office, 3) == [0]


# Expired


def test_waiting_ends_and_a_forwards_late_answer_waits_for_a_person(world: World) -> None:
    office = Office(world, referrals={"expire_after": "10d", **POLICY})
    asked = office.forwarded(office.opened())
    assert office.reminded_at(utc_now() + timedelta(days=10, hours=1)) == 1
    assert (office.referral()["state"], office.kinds("C1")[-1]) == ("expired", "event")
    assert looks(office, 11, 12) == [0, 0]
    assert office.referrals("--waiting") == []
    office.answers(asked)
    office.route()
    assert (office.received(), office.held()) == ([], ["late-answer"])
    assert office.json("release", "H1")["action"] == "relay"
    office.send()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    referral = office.referral()
    assert (referral["state"], referral["late"], office.held()) == ("answered", True, [])


def test_a_referral_past_its_expiry_is_overdue_until_it_is_looked_at(world: World) -> None:
    office = Office(world, referrals={"expire_after": "1s"})
    office.forwarded(office.opened())
    later = utc_now() + timedelta(seconds=2)
    until(lambda: office.referrals("--overdue"), "the referral is overdue")
    office.reminded_at(later)
    assert office.referrals("--overdue") == []
