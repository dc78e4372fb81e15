"""What is suspended is neither fetched nor sent, nobody is reminded meanwhile, and all of it goes on afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reconciler.core.suspension import Activity, parse_target
from reconciler.runtime.clock import utc_now
from reconciler.runtime.suspending import SuspensionWatch
from reconciler.store import suspensions
from reconciler.store.database import Store, open_store
from tests.office import Office
from tests.world import World

DAY = timedelta(days=1)


@pytest.fixture
def address(world: World) -> str:
    """The mailbox of acme/support, which is applied; globex has one too."""
    made = world.fresh("support")
    world.unit("acme", world.account("support", made))
    return made


def test_a_running_system_obeys_and_goes_on_without_a_restart(world: World, address: str) -> None:
    other = world.fresh("other")
    world.unit("globex", world.account("in", other))
    with world.running() as run:
        world.deliver(address, 1)
        run.until(lambda: len(world.seen(address)) == 1, "the first mail is fetched")
        world.command("suspend", "fetching", "acme", "--reason", "the server moves")
        run.until(lambda: run.events("suspension.in_force", target="acme"), "the run has noticed")
        before = len(run.events("step", tenant="globex"))
        world.deliver(address, 1)
        world.deliver(other, 1)
        run.until(lambda: len(run.events("step", tenant="globex")) > before, "the neighbour is fetched")
        assert world.account_status("support")["suspended"] == ["fetching"]
        assert len(world.seen(address)) == 1
        world.command("resume", "fetching", "acme")
        run.until(lambda: len(world.seen(address)) == 2, "what came meanwhile is fetched")
        assert run.events("suspension.over", target="acme")


def test_fetch_leaves_it_out_and_says_so(world: World, address: str) -> None:
    world.apply()
    world.deliver(address, 1)
    world.command("suspend", "fetching", "acme/support", "--reason", "the server moves")
    done = world.command("fetch", "--drain")
    assert "acme/support" not in done.stdout
    assert "fetching of acme/support is suspended until" in done.stderr
    assert world.seen(address) == []


def test_mails_wait_while_sending_is_suspended_and_go_out_once_it_is_over(world: World) -> None:
    office = Office(world)
    office.opened()
    office.command("suspend", "sending", "acme", "--reason", "mail storm", "--for", "1h")
    office.command("reply", "C1", "--text", "Here you are.")
    assert office.command("send", "--drain").err.startswith("sending of acme is suspended until")
    assert office.received() == []
    assert [line.result for line in office.send_at(utc_now() + DAY)] == ["sent"]
    assert len(office.received()) == 1


@pytest.mark.parametrize(
    ("activity", "target"), [("fetching", "main/main-reply"), ("sending", "acme"), ("fetching", "all")]
)
def test_nobody_is_reminded_whose_answer_cannot_come_in(world: World, activity: str, target: str) -> None:
    office = Office(world, referrals={"remind": {"after": "2d"}})
    office.forwarded(office.opened())
    office.command("suspend", activity, target, "--reason", "the server moves", "--for", "3d")
    assert office.reminded_at(utc_now() + 2.5 * DAY) == 0
    assert office.reminded_at(utc_now() + 3.5 * DAY) == 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    yield opened
    opened.close()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


def test_the_watch_tells_of_beginnings_and_of_ends_by_the_clock(store: Store) -> None:
    changes: list[datetime] = []
    clock = Clock()
    watch = SuspensionWatch(store, lambda: changes.append(clock.now), clock)
    watch.look()
    assert changes == []
    with store.write() as connection:
        suspensions.suspend(
            connection,
            Activity.FETCHING,
            parse_target("all"),
            reason="x",
            by="ada",
            until=clock.now + DAY,
            now=clock.now,
        )
    watch.look()
    watch.look()
    assert len(changes) == 1
    clock.now += DAY
    watch.look()
    assert len(changes) == 2
