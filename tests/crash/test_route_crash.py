"""Killed while a mail is decided, filed or sent: run again, the end is as if nothing had happened."""

from __future__ import annotations

from email.message import Message

import pytest

from reconciler.core.errors import Unavailable
from reconciler.core.outbox import OutboxState
from reconciler.runtime.intake import MOST_INTERRUPTIONS
from reconciler.runtime.router_process import RouterConfig, RouterProcess
from tests.office import ANSWER, Office, text_of
from tests.world import World

KILLED = -9


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def killed(office: Office, fault: str, *arguments: str) -> None:
    """Run a command that is killed on its way."""
    office.world.command(*arguments, check=KILLED, RECONCILER_FAULTS=fault)


def answered(office: Office) -> tuple[str, Message]:
    """A case whose forward was answered; the answer lies in the reply account's mailbox."""
    case = office.opened()
    asked = office.forwarded(case)
    office.answers(asked)
    return case, asked


@pytest.mark.parametrize("point", ["decided", "committed"])
def test_killed_around_the_commit_a_customers_mail_opens_one_case(office: Office, point: str) -> None:
    office.world.customer_writes(office.customer, office.support)
    killed(office, f"{point}=kill", "fetch", "--drain")
    office.fetch()
    assert [office.kinds(case["id"]) for case in office.cases()] == [["customer_message"]]
    assert office.held() == []


@pytest.mark.parametrize("point", ["decided", "committed"])
def test_killed_around_the_commit_an_answer_is_relayed_once(office: Office, point: str) -> None:
    case, _ = answered(office)
    killed(office, f"{point}=kill", "fetch", "--drain")
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    assert office.kinds(case) == ["customer_message", "forward", "external_answer", "relay"]
    assert (office.referral()["state"], office.held()) == ("answered", [])
    assert [row.possibly_twice for row in office.outbox()] == [False, False]


def test_killed_once_it_is_written_down_a_mail_does_not_go_out_again(office: Office) -> None:
    answered(office)
    office.fetch()
    killed(office, "marked=kill", "send", "--drain")
    assert office.lines("send", "--drain") == []
    assert len(office.world.smtp_server.envelopes(office.customer)) == 1
    row = office.outbox()[-1]
    assert (row.state, row.possibly_twice, row.attempts) == (OutboxState.SENT, False, 1)


@pytest.mark.parametrize(("point", "copies"), [("sending", 1), ("sent", 2)])
def test_killed_while_sending_the_mail_goes_out_again_and_is_marked(office: Office, point: str, copies: int) -> None:
    case, _ = answered(office)
    office.fetch()
    killed(office, f"{point}=kill", "send", "--drain")
    (line,) = office.lines("send", "--drain")
    assert line["result"] == "sent"
    envelopes = office.world.smtp_server.envelopes(office.customer)
    assert len(envelopes) == copies
    assert len({envelope.data for envelope in envelopes}) == 1
    row = office.outbox()[-1]
    assert (row.state, row.possibly_twice, row.attempts) == (OutboxState.SENT, True, 2)
    assert {m["Message-ID"] for m in office.received()} == {row.message_id}
    assert office.kinds(case).count("relay") == 1


def test_power_that_fails_again_and_again_does_not_make_a_mail_poison(office: Office) -> None:
    office.world.customer_writes(office.customer, office.support)
    for _ in range(4):
        killed(office, "decided=kill", "fetch", "--drain")
    office.fetch()
    assert (len(office.cases()), office.held()) == (1, [])


def test_the_mail_at_which_the_program_ended_goes_behind_the_others(office: Office) -> None:
    for subject in ("First", "Second"):
        office.world.customer_writes(office.customer, office.support, subject)
    # Both are in hand, then each goes alone.
    killed(office, "decided=kill", "fetch", "--drain")
    killed(office, "decided=kill", "fetch", "--drain")
    killed(office, "committed=kill", "fetch", "--drain")
    assert [case["subject"] for case in office.cases()] == ["Second"]
    office.fetch()
    assert sorted(case["subject"] for case in office.cases()) == ["First", "Second"]


class EndingRouter(RouterProcess):
    """The program ends while this router process starts."""

    def start(self) -> None:
        """End."""
        raise SystemExit


def test_a_program_that_ends_before_it_reads_a_mail_casts_no_suspicion_on_it(office: Office) -> None:
    office.world.customer_writes(office.customer, office.support)
    with office.house() as wired:
        router = EndingRouter(RouterConfig(office.world.state, wired.registry, None))
    for _ in range(MOST_INTERRUPTIONS + 1):
        with pytest.raises(SystemExit):
            office.fetch(router)
    office.fetch()
    assert (len(office.cases()), office.held()) == (1, [])


@pytest.mark.parametrize("action", ["exit", "kill", "raise"])
def test_a_mail_that_ends_its_reader_is_held_the_third_time_and_the_others_go_on(office: Office, action: str) -> None:
    for subject in ("First", "Deadly", "Last"):
        office.world.customer_writes(office.customer, office.support, subject)
    office.world.command("fetch", "--drain", RECONCILER_FAULTS=f"deciding~Deadly={action}")
    assert sorted(case["subject"] for case in office.cases()) == ["First", "Last"]
    (held,) = office.json("held")["held"]
    assert (held["reason"], held["tenant"], held["account"]) == ("poison", None, "acme/support")
    assert held["detail"].startswith("attempt 3 failed: ")
    assert office.json("explain", "message", held["message"])["attempts"] == 3


def test_a_mail_that_stalls_its_reader_is_held_and_the_others_go_on(office: Office) -> None:
    for subject in ("First", "Slow", "Last"):
        office.world.customer_writes(office.customer, office.support, subject)
    office.world.command("fetch", "--drain", RECONCILER_FAULTS="deciding~Slow=hang", RECONCILER_ROUTE_SECONDS="0.3")
    assert sorted(case["subject"] for case in office.cases()) == ["First", "Last"]
    (held,) = office.json("held")["held"]
    assert (held["reason"], held["detail"]) == ("poison", "attempt 3 failed: no decision within 0.3 s")


def test_a_router_that_cannot_start_is_no_failure_of_the_mails(office: Office) -> None:
    office.world.customer_writes(office.customer, office.support)
    with office.house() as wired:
        broken = RouterProcess(RouterConfig("sqlite:////nowhere/state.db", wired.registry, None))
        for _ in range(4):
            with pytest.raises(Unavailable, match="the router process did not start"):
                office.fetch(broken)
    office.fetch()
    assert (len(office.cases()), office.held()) == (1, [])
    assert office.json("explain", "message", "M1")["attempts"] == 1


def test_a_running_system_goes_on_beside_a_deadly_mail(office: Office) -> None:
    world = office.world
    with world.running(RECONCILER_FAULTS="deciding~Deadly=exit") as running:
        world.customer_writes(office.customer, office.support, "Deadly")
        world.customer_writes(office.customer, office.support, "Alive")
        running.until(lambda: running.events("mail.held", reason="poison"), "the deadly mail is held")
        running.until(lambda: [c["subject"] for c in office.cases()] == ["Alive"], "the other has its case")
        assert running.stop() == 0


def test_a_run_killed_after_sending_sends_again_with_the_same_message_id(office: Office) -> None:
    world = office.world
    _, _ = answered(office)
    with world.running(RECONCILER_FAULTS=f"sent~{office.customer}=kill") as running:
        assert running.process.wait(30) == KILLED
    with world.running() as running:
        running.until(lambda: running.events("mail.sent"), "the mail is sent again")
    first, second = office.received()
    assert first["Message-ID"] == second["Message-ID"]
    assert office.outbox()[-1].possibly_twice
