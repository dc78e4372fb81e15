"""The watchdog ends a process that is stuck, and never one whose servers are; the service manager hears how it is."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from reconciler.core.heartbeat import Loop
from reconciler.runtime.heartbeat import Heartbeats, Watchdog, limits_of
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.systemd import Notifier
from tests.rig.scripted import SILENT, ScriptedServer
from tests.world import World

QUICK = {
    "RECONCILER_WATCHDOG_SECONDS": "3",
    "RECONCILER_STEP_SECONDS": "1",
    "RECONCILER_ROUTE_SECONDS": "5",
    "RECONCILER_REMIND_SECONDS": "0.5",
    "RECONCILER_COMMAND_SECONDS": "2",
}
_LONGER_THAN_THE_LIMITS = 9.0
"""Of the loops that fetch, route and send: three seconds, and at most three more of their own."""


@pytest.fixture
def acme(world: World) -> str:
    """Acme with one inbound account that sends; its address."""
    address = world.fresh("support")
    world.unit("acme", world.account("support", address))
    return address


def test_a_stuck_loop_ends_the_process(world: World, acme: str) -> None:
    world.deliver(acme, 1)
    with world.running(RECONCILER_FAULTS="decided=hang", **QUICK) as run:
        run.until(lambda: run.process.poll() is not None or run.events("watchdog.stuck"), "the watchdog has looked")
        assert run.process.wait(30) == 1
        (event,) = run.events("watchdog.stuck")
    assert (event["loops"], event["level"]) == (["route"], "critical")


def test_the_next_start_goes_on_where_the_stuck_one_ended(world: World, acme: str) -> None:
    world.deliver(acme, 1)
    with world.running(RECONCILER_FAULTS="decided=hang", **QUICK) as run:
        assert run.process.wait(40) == 1
    with world.running() as run:
        run.until(lambda: run.events("mail.routed"), "the mail is routed")
    assert len(world.json("cases")["cases"]) == 1


def outlives_the_limits(world: World, **env: str) -> None:
    """Run for longer than any loop may be silent; the process must live, find all well, and end cleanly."""
    with world.running(**QUICK, **env) as run:
        since = time.monotonic()
        run.until(lambda: time.monotonic() - since > _LONGER_THAN_THE_LIMITS, "the limits are over")
        assert run.stop() == 0
        assert run.events("watchdog.stuck") == []


@pytest.mark.slow
def test_a_hung_mail_server_is_no_stuck_loop(world: World, acme: str) -> None:
    with ScriptedServer(SILENT) as server:
        for name in ("one", "two"):
            keys = {"imap": {"port": server.port}, "smtp": {"port": server.port}}
            world.unit(name, world.account("support", world.fresh(name), **keys))
        outlives_the_limits(world)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["fetched", "stored"])
def test_a_step_that_hangs_is_no_stuck_loop(world: World, acme: str, point: str) -> None:
    world.deliver(acme, 1)
    outlives_the_limits(world, RECONCILER_FAULTS=f"{point}=hang", RECONCILER_DOOR="thread")


@pytest.mark.slow
@pytest.mark.parametrize("point", ["fetched", "stored"])
def test_the_one_thread_of_the_fast_door_that_hangs_is_a_stuck_loop(world: World, acme: str, point: str) -> None:
    world.deliver(acme, 1)
    with world.running(RECONCILER_FAULTS=f"{point}=hang", RECONCILER_DOOR="fast", **QUICK) as run:
        assert run.process.wait(30) == 1
        (event,) = run.events("watchdog.stuck")
    assert (event["loops"], event["level"]) == (["fetch"], "critical")


@pytest.mark.slow
def test_a_sending_that_hangs_is_no_stuck_loop(world: World, acme: str) -> None:
    world.apply()
    world.customer_writes("customer@customer.example", acme)
    with world.running() as run:
        run.until(lambda: world.json("cases")["cases"], "the case is open")
    world.command("reply", "C1", "--text", "Here it is.")
    outlives_the_limits(world, RECONCILER_FAULTS="sending=hang")


def test_every_loop_has_a_limit_beyond_its_own_longest_wait() -> None:
    settings = RunSettings(watchdog_seconds=1)
    limits = limits_of(settings)
    assert limits.keys() == set(Loop)
    assert limits[Loop.FETCH] > settings.step_seconds
    assert limits[Loop.ROUTE] > settings.route_seconds
    assert limits[Loop.SEND] > settings.command_seconds
    assert limits[Loop.REMIND] > settings.remind_seconds


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    """A service manager's socket."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(20)
    return listening


def told(manager: socket.socket) -> list[str]:
    """What the service manager was told so far."""
    manager.setblocking(False)
    found = []
    try:
        while True:
            found.append(manager.recv(100).decode())
    except BlockingIOError:
        return found


def test_the_service_manager_hears_at_half_its_interval_and_nothing_once_a_loop_is_stuck(
    manager: socket.socket, tmp_path: Path
) -> None:
    clock, ends = Clock(), list[int]()
    beats = Heartbeats(dict.fromkeys(Loop, 10.0), clock)
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"}, clock)
    watchdog = Watchdog(beats, notifier, lambda: ends.append(1))
    beats.beat(Loop.FETCH)
    for clock.now in (0.0, 0.2, 1.9, 2.0, 2.2, 4.1, 10.0):
        watchdog.look()
    assert (told(manager), ends) == (["WATCHDOG=1"] * 4, [])
    clock.now = 10.1
    watchdog.look()
    assert (told(manager), ends) == ([], [1])
    beats.ended(Loop.FETCH)
    clock.now = 12.1
    watchdog.look()
    assert told(manager) == ["WATCHDOG=1"]


def test_a_run_tells_that_it_is_ready_alive_and_stopping(world: World, manager: socket.socket, tmp_path: Path) -> None:
    with world.running(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000") as run:
        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
        assert run.stop() == 0
    assert told(manager).count("STOPPING=1") == 1


@pytest.mark.parametrize(
    "environ",
    [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"NOTIFY_SOCKET": "@nobody-listens"}],
    ids=["none", "gone", "abstract"],
)
def test_without_a_service_manager_nothing_happens(environ: dict[str, str]) -> None:
    notifier = Notifier(environ | {"WATCHDOG_USEC": "1"})
    notifier.ready()
    notifier.alive()
    notifier.stopping()


def test_another_processes_watchdog_is_not_answered(manager: socket.socket, tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    Notifier(environ).alive()
    assert told(manager) == []
