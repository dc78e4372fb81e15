"""What `status` and the metrics tell of each account while `run` is at work, and afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.runtime.clock import utc_now
from tests.runtime.test_metrics import Watched
from tests.world import World

SOON = timedelta(seconds=30)
NAMED = {"tenant": "acme", "account": "support"}


@pytest.fixture
def address(world: World) -> str:
    """The mailbox of acme/support, which rests for an hour between steps; acme/broken lacks its password."""
    made = world.fresh("support")
    broken = world.account("broken", world.fresh("broken"))
    world.unit("acme", world.account("support", made, poll="1h"), broken)
    world.secret("acme", "broken", None)
    world.apply()
    return made


def next_step(told: dict[str, Any]) -> datetime | None:
    """The instant of an account's next step as told."""
    return datetime.fromisoformat(told["next_step"]) if told["next_step"] else None


@pytest.mark.usefixtures("both_doors")
def test_rate_backlog_and_next_step_of_each_account_are_told_while_it_runs(world: World, address: str) -> None:
    world.deliver(address, 10)
    with world.running("--metrics", "0") as run:
        run.until(lambda: len(world.seen(address)) == 10, "all mails are fetched")
        watched = Watched(run)
        run.until(lambda: watched.number("account_condition", **NAMED, condition="Ok"), "the account is well")

        def told() -> dict[str, Any]:
            found = world.account_status("support")
            return found if found["backlog"] == 0 and found["rate"] == 2.0 else {}

        support = run.until(told, "ten mails in five minutes are two a minute")
        support_next = next_step(support)
        assert support_next is not None
        assert abs(support_next - utc_now() - timedelta(hours=1)) < timedelta(minutes=3)
        shown = watched.number("account_next_step_timestamp_seconds", **NAMED)
        assert shown is not None
        assert abs(shown - support_next.timestamp()) < SOON.total_seconds()
        broken = world.account_status("broken")
        assert (broken["condition"], broken["rate"], broken["backlog"]) == ("SecretMissing", 0.0, 0)
        retried = next_step(broken)
        assert retried is not None
        assert retried > utc_now()
        assert retried < utc_now() + timedelta(minutes=10)
        text = world.command("status", check=(0, 4)).stdout
        [line] = [line for line in text.splitlines() if line.startswith("acme/support ")]
        assert f"backlog 0  2 a minute  next step {support['next_step']}" in line


def test_what_is_suspended_or_disabled_has_no_next_step_and_gets_one_again(world: World, address: str) -> None:
    with world.running("--metrics", "0") as run:
        watched = Watched(run)

        def shown() -> float | None:
            return watched.number("account_next_step_timestamp_seconds", **NAMED)

        run.until(shown, "the account is scheduled")
        world.command("suspend", "fetching", "acme/support", "--reason", "the server moves")
        run.until(lambda: shown() is None, "its next step is off")
        assert world.account_status("support")["next_step"] is None
        world.command("resume", "fetching", "acme/support")
        run.until(shown, "it is scheduled again")
        world.unit("acme", world.account("support", address, enabled=False), world.account("other", world.fresh("o")))
        run.until(lambda: shown() is None, "it is scheduled no more")
        assert world.account_status("support")["next_step"] is None


@pytest.mark.parametrize("kills", [False, True], ids=["ended", "killed"])
def test_nobody_is_told_a_next_step_when_nothing_runs(world: World, address: str, kills: bool) -> None:
    with world.running() as run:
        run.until(lambda: world.account_status("support")["next_step"], "the account is scheduled")
        if kills:
            run.process.kill()
            run.process.wait()
    assert world.account_status("support")["next_step"] is None
    world.command("fetch", check=4)
    assert world.account_status("support")["next_step"] is None
