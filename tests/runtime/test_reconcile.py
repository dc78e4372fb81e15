"""What is written into the accounts folder takes effect in the running system, and what is broken there does not."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.world import Running, World, mail

pytestmark = pytest.mark.xdist_group("reconcile")
"""In one process: what its tests share takes long to make."""

_EFFECT_SECONDS = 20.0
"""Far below the poll interval where events alone are followed. How long it takes is measured by `make acceptance`."""

_LOOKS = {
    "file events": {"RECONCILER_POLL_SECONDS": "60", "RECONCILER_WATCH_EVENTS": "true"},
    "polling alone": {"RECONCILER_POLL_SECONDS": "0.5", "RECONCILER_WATCH_EVENTS": "false"},
}


@dataclass(frozen=True)
class System:
    """A running system that many tests share; each has a tenant of its own, so that they are neighbours."""

    world: World
    run: Running
    tenants: Iterator[str]

    def tenant(self) -> str:
        """The name of a tenant that is nobody else's."""
        return next(self.tenants)

    def write(self, tenant: str, *accounts: dict[str, Any], **keys: Any) -> None:
        """Write the tenant's file and wait until it is applied."""
        before = len(self.run.events("unit.applied", unit=tenant))
        self.world.unit(tenant, *accounts, **keys)
        self.run.until(lambda: len(self.run.events("unit.applied", unit=tenant)) > before, f"{tenant} is applied")

    def has_fetched(self, address: str, count: int, folder: str = "INBOX") -> None:
        """Wait until so many mails of a mailbox are marked seen, which comes after they are stored."""
        self.run.until(lambda: len(self.world.seen(address, folder)) == count, f"{count} mails of {address} are seen")

    def fetches(self, address: str) -> None:
        """One more mail to this account is fetched."""
        before = len(self.world.seen(address))
        self.world.deliver(address, 1, subject="One more")
        self.has_fetched(address, before + 1)

    def unit_status(self, unit: str) -> dict[str, Any]:
        """What `status` tells of a tenant."""
        return unit_status(self.world, unit)

    def steps(self, tenant: str) -> list[int]:
        """How many mails each step of the tenant took, those that took none left out."""
        return [event["taken"] for event in self.run.events("step", tenant=tenant)]

    def arrive_at_once(self, address: str, count: int) -> None:
        """Make so many mails appear in the mailbox in one instant."""
        with self.world.dovecot.client(address) as client:
            client.create_folder("Elsewhere")
            for number in range(count):
                client.append("Elsewhere", mail("c@customer.example", address, f"Mail {number}"))
            client.select_folder("Elsewhere")
            client.copy("1:*", "INBOX")
            client.select_folder("INBOX")
            client.delete_folder("Elsewhere")


def unit_status(world: World, unit: str) -> dict[str, Any]:
    """What `status` tells of a tenant."""
    units: list[dict[str, Any]] = world.json("status", check=(0, 4))["tenants"]
    return next(found for found in units if found["tenant"] == unit)


@pytest.fixture(scope="module", params=_LOOKS.values(), ids=_LOOKS.keys())
def system(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    dovecot: Dovecot,
    smtp_server: SmtpServer,
) -> Iterator[System]:
    """A running system that sees changes in one of the two ways."""
    way, numbers = request.param_index, itertools.count(1)
    fresh: Callable[[str], str] = lambda name: f"{name}-{way}-{next(numbers)}@running.example"  # noqa: E731
    world = World(tmp_path_factory.mktemp("running"), dovecot, smtp_server, fresh)
    with world.running(**request.param) as run:
        yield System(world, run, (f"tenant-{number}" for number in itertools.count(1)))


def test_a_new_weight_counts_from_the_next_step(system: System) -> None:
    world, tenant, address = system.world, system.tenant(), system.world.fresh("weight")
    system.write(tenant, world.account("in", address, weight=1))
    system.arrive_at_once(address, 3)
    system.has_fetched(address, 3)
    system.write(tenant, world.account("in", address, weight=5))
    system.arrive_at_once(address, 7)
    system.has_fetched(address, 10)
    system.run.until(lambda: sum(system.steps(tenant)) == 10, "all steps are logged")
    assert system.steps(tenant) == [1, 1, 1, 5, 2]


def test_an_added_account_is_fetched_soon(system: System) -> None:
    world, tenant = system.world, system.tenant()
    first, added = world.fresh("first"), world.fresh("added")
    system.write(tenant, world.account("first", first))
    world.deliver(added, 1)
    world.unit(tenant, world.account("first", first), world.account("added", added))
    closed = time.monotonic()
    system.has_fetched(added, 1)
    assert time.monotonic() - closed < _EFFECT_SECONDS
    system.fetches(first)


def test_an_added_tenant_is_fetched_soon(system: System) -> None:
    world, tenant, address = system.world, system.tenant(), system.world.fresh("newcomer")
    world.deliver(address, 1)
    world.unit(tenant, world.account("in", address))
    closed = time.monotonic()
    system.has_fetched(address, 1)
    assert time.monotonic() - closed < _EFFECT_SECONDS


def test_a_changed_account_is_fetched_as_it_says_now_soon(system: System) -> None:
    world, tenant, address = system.world, system.tenant(), system.world.fresh("changed")
    system.write(tenant, world.account("in", address))
    world.dovecot.create_folder(address, "Orders")
    world.deliver(address, 1, folder="Orders")
    world.unit(tenant, world.account("in", address, imap={"folders": ["INBOX", "Orders"]}))
    closed = time.monotonic()
    system.has_fetched(address, 1, "Orders")
    assert time.monotonic() - closed < _EFFECT_SECONDS


def test_an_account_taken_out_of_its_file_is_not_fetched_any_more_soon(system: System) -> None:
    world, tenant = system.world, system.tenant()
    stays, goes = world.fresh("stays"), world.fresh("goes")
    system.write(tenant, world.account("stays", stays), world.account("goes", goes))
    world.unit(tenant, world.account("stays", stays))
    closed = time.monotonic()
    system.run.until(lambda: len(system.run.events("unit.applied", unit=tenant)) == 2, "the change is applied")
    assert time.monotonic() - closed < _EFFECT_SECONDS
    world.deliver(goes, 1)
    # Both accounts would be polled every second: two mails on two occasions are two turns for either.
    system.fetches(stays)
    system.fetches(stays)
    assert world.seen(goes) == []


@pytest.mark.field("one bad file")
def test_a_broken_file_holds_its_tenant_alone_and_mending_it_applies_at_once(system: System) -> None:
    world, broken, neighbour = system.world, system.tenant(), system.tenant()
    address, beside, added = world.fresh("broken"), world.fresh("beside"), world.fresh("neighbour-added")
    system.write(broken, world.account("in", address))
    system.write(neighbour, world.account("in", beside))
    good = (world.accounts / f"{broken}.yaml").read_text()
    runs = system.unit_status(broken)["revision"]
    world.folder.write_text(broken, good.replace('"type": "inbound"', '"type": "inbuond"'))
    (held,) = system.run.until(lambda: system.run.events("unit.held", unit=broken), "the tenant is held")
    line = 1 + good[: good.index('"type"')].count("\n")
    assert held["reason"].startswith(f"{broken}.yaml:{line}:")
    system.write(neighbour, world.account("in", beside), world.account("added", added))
    status = system.unit_status(broken)
    assert (status["sync"], status["revision"], status["reason"]) == ("Held", runs, held["reason"])
    for one in (address, beside, added):
        system.fetches(one)
    system.write(broken, world.account("in", address), world.account("late", late := world.fresh("late")))
    system.fetches(late)
    assert system.unit_status(broken)["sync"] == "Synced"


@pytest.mark.field("back again")
def test_going_back_to_the_running_revision_is_synced_again(system: System) -> None:
    world, tenant, address = system.world, system.tenant(), system.world.fresh("back")
    system.write(tenant, world.account("in", address))
    good = (world.accounts / f"{tenant}.yaml").read_text()
    world.folder.write_text(tenant, "{")
    system.run.until(lambda: system.run.events("unit.held", unit=tenant), "the tenant is held")
    world.folder.write_text(tenant, good)
    system.run.until(lambda: system.unit_status(tenant)["sync"] == "Synced", "the tenant is synced")
    system.fetches(address)


@pytest.mark.field("mass removal")
def test_a_removed_tenant_is_fetched_until_its_removal_is_acknowledged(system: System) -> None:
    world, tenant, neighbour = system.world, system.tenant(), system.tenant()
    address, beside = world.fresh("removed"), world.fresh("beside")
    system.write(tenant, world.account("in", address))
    system.write(neighbour, world.account("in", beside))
    world.folder.remove(tenant)
    blocked = system.run.until(lambda: system.run.events("unit.blocked", unit=tenant), "the removal is blocked")
    assert "last account" in blocked[0]["reason"]
    assert system.unit_status(tenant)["sync"] == "Blocked"
    system.fetches(address)
    acknowledge = blocked[0]["reason"].partition("reconciler ack ")[2].split()[0]
    world.command("ack", acknowledge, "--reason", "the customer has left")
    # Nothing changes in the folder, so with a long poll interval the next look is asked for.
    system.run.process.send_signal(signal.SIGHUP)
    system.run.until(lambda: system.run.events("unit.retired", unit=tenant), "the removal is applied")
    assert system.unit_status(tenant)["retired"]
    world.deliver(address, 1, subject="Too late")
    system.fetches(beside)
    system.fetches(beside)
    assert len(world.mailbox(address)) == len(world.seen(address)) + 1


@pytest.mark.field("unreadable is not empty")
def test_without_main_yaml_nothing_advances_and_what_runs_goes_on(system: System) -> None:
    world, tenant, address = system.world, system.tenant(), system.world.fresh("mainless")
    system.write(tenant, world.account("in", address))
    added = world.fresh("added")
    world.deliver(added, 1)
    before = world.json("status", check=(0, 4))["tenants"]
    kept = (world.accounts / "main.yaml").read_text()
    world.folder.remove("main")
    known = len(system.run.events("source.unavailable"))
    system.run.until(lambda: len(system.run.events("source.unavailable")) > known, "main.yaml is missed")
    known = len(system.run.events("source.unavailable"))
    world.unit(tenant, world.account("in", address), world.account("added", added))
    system.run.until(lambda: len(system.run.events("source.unavailable")) > known, "it was looked again")
    system.fetches(address)
    assert world.json("status", check=(0, 4))["tenants"] == before
    assert world.seen(added) == []
    world.folder.write_text("main", kept)
    system.has_fetched(added, 1)


@pytest.mark.field("unreadable is not empty")
def test_without_the_folder_nothing_advances_and_what_runs_goes_on(system: System) -> None:
    world, tenant, address = system.world, system.tenant(), system.world.fresh("folderless")
    system.write(tenant, world.account("in", address))
    added = world.fresh("added")
    world.deliver(added, 1)
    before = world.json("status", check=(0, 4))["tenants"]
    away = world.path / "away"
    known = len(system.run.events("source.unavailable"))
    world.accounts.rename(away)
    system.run.process.send_signal(signal.SIGHUP)
    system.run.until(lambda: len(system.run.events("source.unavailable")) > known, "the folder is missed")
    system.fetches(address)
    assert world.json("status", check=(0, 4))["tenants"] == before
    file = away / f"{tenant}.yaml"
    document = json.loads(file.read_text())
    document["accounts"].append(world.account("added", added))
    file.write_text(json.dumps(document))
    world.secret(tenant, "added", world.dovecot.password)
    away.rename(world.accounts)
    system.has_fetched(added, 1)


@pytest.mark.field("missed events")
def test_a_file_that_is_written_slowly_is_settling_and_never_held(world: World) -> None:
    address, added = world.fresh("slow"), world.fresh("slow-added")
    world.unit("acme", world.account("in", address))
    world.deliver(added, 1)
    with world.running(RECONCILER_SETTLE_SECONDS="5", RECONCILER_POLL_SECONDS="0.2") as run:
        run.until(lambda: run.events("unit.applied", unit="acme"), "acme is applied")
        world.unit("acme", world.account("in", address), world.account("added", added))
        whole = (world.accounts / "acme.yaml").read_text()
        with (world.accounts / "acme.yaml").open("w") as file:
            for piece in (whole[:50], whole[50:200], whole[200:300]):
                file.write(piece)
                file.flush()
                known = len(run.events("unit.settling", unit="acme"))
                run.until(lambda n=known: len(run.events("unit.settling", unit="acme")) > n, "the half was seen")
            status = unit_status(world, "acme")
            assert (status["sync"], status["revision"]) == ("Settling", 2)
            file.write(whole[300:])
        run.until(lambda: len(world.seen(added)) == 1, "the added account is fetched")
        assert run.events("unit.held") == []


def test_a_file_that_stays_broken_is_held_once_it_has_settled(world: World) -> None:
    world.unit("acme", world.account("in", world.fresh("stays-broken")))
    world.apply()
    with world.running(RECONCILER_SETTLE_SECONDS="1", RECONCILER_POLL_SECONDS="60") as run:
        world.folder.write_text("acme", "version: 1\n")
        run.until(lambda: run.events("unit.held", unit="acme"), "acme is held", seconds=15)
        assert unit_status(world, "acme")["sync"] == "Held"
