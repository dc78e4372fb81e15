"""Starts the loops of a running system and ends them in order: stop taking, finish what is in hand, close."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import StepLine
from reconciler.core.heartbeat import Loop
from reconciler.core.outbox import DeliveryLine
from reconciler.core.registry import Registry
from reconciler.core.revision import AppliedState
from reconciler.core.suspension import fetchable
from reconciler.protocol.base import ProtocolPlugin
from reconciler.runtime.access import Tokens
from reconciler.runtime.clock import utc_now
from reconciler.runtime.cycle import Engine
from reconciler.runtime.delivery import Sender
from reconciler.runtime.errands import Errands
from reconciler.runtime.fetch_requests import RequestWatch
from reconciler.runtime.fleet import read_fleet
from reconciler.runtime.handing import leaving_result
from reconciler.runtime.heartbeat import Watchdog
from reconciler.runtime.intake import Intake
from reconciler.runtime.notices import OwnersPost
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.reconcile import ReconcileLoop, Source
from reconciler.runtime.reminders import Reminding
from reconciler.runtime.router_process import RouterConfig, RouterProcess
from reconciler.runtime.sending import Postbox
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.step import Tools
from reconciler.runtime.suspending import SuspensionWatch
from reconciler.runtime.writer import Writer
from reconciler.source.files import Folder, Watched
from reconciler.source.policy import read_policy
from reconciler.source.secret import SecretStore
from reconciler.source.watch import Watcher
from reconciler.store.applied import newest_revision
from reconciler.store.database import Store
from reconciler.store.lease import Lease
from reconciler.store.suspensions import in_force

log = structlog.get_logger()

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class House:
    """What every loop shares. `state_url` is how a router process opens the store."""

    store: Store
    state_url: str
    registry: Registry
    plugins: Mapping[str, ProtocolPlugin]
    secrets: SecretStore
    secrets_folder: Path
    settings: RunSettings
    policy_file: Path | None = None
    report_file: Path | None = None
    tokens: Tokens = field(default_factory=Tokens)

    def tools(self, writer: Writer) -> Tools:
        """What fetch steps work with."""
        return Tools(self.store, writer, self.plugins, self.secrets, self.settings, utc_now, self.tokens)

    def intake(self, writer: Writer, router: RouterProcess, boot: str, observer: Observer = UNOBSERVED) -> Intake:
        """The loop that routes."""
        seconds = self.settings.route_seconds
        return Intake(self.store, writer, router, boot=boot, seconds=seconds, clock=utc_now, observer=observer)

    def errands(self, writer: Writer) -> Errands:
        """What rules asked for beside opening cases."""
        return Errands(self.store, writer, self.registry, self.secrets, utc_now)

    def router(self) -> RouterProcess:
        """The process that reads and decides mails."""
        return RouterProcess(RouterConfig(self.state_url, self.registry, self.secrets_folder))

    def sender(
        self,
        writer: Writer,
        boot: str,
        on_sent: Callable[[DeliveryLine], None],
        observer: Observer = UNOBSERVED,
    ) -> Sender:
        """The loop that sends."""
        postbox = Postbox(self.store, writer, self.registry, self.secrets, self.settings, utc_now, boot, self.tokens)
        return Sender(postbox, on_sent, observer)

    def owners_post(self, writer: Writer, observer: Observer = UNOBSERVED) -> OwnersPost:
        """What sends mails to tenants' owners."""
        postbox = Postbox(self.store, writer, self.registry, self.secrets, self.settings, utc_now, "", self.tokens)
        return OwnersPost(postbox, observer)


def new_boot() -> str:
    """A name for this start of the program, by which it tells its own claims from those of an earlier one."""
    return secrets.token_hex(8)


class Supervisor:
    """A running system over one place of desired state. `lease` is the right to apply; None only follows what others
    apply.

    `observer` is told what the loops do, their heartbeats included; `watchdog` looks after those.
    """

    def __init__(
        self, house: House, place: Watched, lease: Lease | None, watchdog: Watchdog, observer: Observer
    ) -> None:
        self._house, self._watchdog, self._observer = house, watchdog, observer
        self._stop, self._mail, self._post = threading.Event(), threading.Event(), threading.Event()
        settings, boot = house.settings, new_boot()
        self._writer = Writer(house.store, observer)
        self._router = house.router()
        self._engine = Engine(house.tools(self._writer), self._stepped, observer)
        self._intake = house.intake(self._writer, self._router, boot, observer)
        self._sender = house.sender(self._writer, boot, _sent, observer)
        self._reminding = Reminding(house.store, self._writer, house.registry, house.secrets, utc_now, observer)
        self._owners_post = house.owners_post(self._writer, observer)
        self._suspensions = SuspensionWatch(house.store, self._refresh, utc_now, observer)
        self._requests = RequestWatch(house.store, self._writer, self._engine, utc_now, observer)
        rests = partial(observer.beat, Loop.RECONCILE)
        self._place = place
        root = place.root if isinstance(place, Folder) and settings.watch_events else None
        self._watcher = Watcher(root, settings.poll_seconds, rests)
        if lease is None:
            self._follow: Callable[[threading.Event], None] = Follower(house, self._watcher, self._refresh).run
        else:
            has_secret, settle = _HasSecret(house.secrets), timedelta(seconds=settings.settle_seconds)
            policy = partial(read_policy, house.policy_file)
            on_result = leaving_result(house.report_file, utc_now)
            source = Source(place, house.store, house.registry, lease, has_secret, utc_now, settle, policy, on_result)
            self._follow = ReconcileLoop(source, self._watcher, self._refresh, observer).run

    def run(self) -> None:
        """Run until SIGINT or SIGTERM, then end cleanly after what is in hand; SIGHUP means look again now."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_hangup)
        self._refresh()
        log.info("run.started")
        loops = [
            threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True)
            for name, work in (
                (Loop.FETCH, self._engine.run),
                (Loop.ROUTE, lambda: self._intake.run(self._stop, self._mail)),
                (Loop.SEND, lambda: self._sender.run(self._stop, self._post)),
                (Loop.REMIND, lambda: self._reminding.run(self._stop, self._house.settings.remind_seconds)),
                (Loop.RECONCILE, lambda: self._follow(self._stop)),
                (Loop.NOTICE, lambda: self._owners_post.run(self._stop)),
                (Loop.SUSPEND, lambda: self._suspensions.run(self._stop)),
                (Loop.REQUEST, lambda: self._requests.run(self._stop)),
            )
        ]
        for loop in loops:
            loop.start()
        self._watchdog.notifier.ready()
        while not self._stop.wait(_LOOK_SECONDS):
            self._watchdog.look()
        self._engine.stop()
        self._watchdog.notifier.stopping()
        log.info("run.ending")
        for loop in loops:
            while loop.is_alive():
                loop.join(_LOOK_SECONDS)
                self._watchdog.look()
        self._engine.close()
        self._router.close()
        self._writer.close()
        log.info("run.ended")

    def _guarded(self, name: Loop, work: Callable[[], None]) -> None:
        """A loop that ends by an error ends the program: a part that silently stopped is the worst there is."""
        self._observer.beat(name)
        try:
            work()
        except Exception as error:
            log.critical("loop.died", loop=name.value, reason=f"{type(error).__name__}: {error}")
            self.died = True
            self._stop.set()
        finally:
            self._observer.ended(name)

    def lease_lost(self) -> None:
        """Somebody else may write now: end at once, and with an error."""
        self.died = True
        self._stop.set()

    died = False
    """Whether a loop died; the process then ends with an error, so that its keeper starts it again."""

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stop.set()

    def _on_hangup(self, _number: int, _frame: object) -> None:
        self._place.renew()
        self._watcher.wake()

    def _refresh(self, state: AppliedState | None = None) -> None:
        """Give the engine the accounts of the state that is applied now, but for those that are suspended."""
        with self._house.store.read() as connection:
            fleet = read_fleet(connection, self._house.registry, state)
            suspensions = in_force(connection, utc_now())
        self._engine.set_accounts(fetchable(fleet.accounts, suspensions))

    def _stepped(self, line: StepLine) -> None:
        self._observer.stepped(line)
        if line.taken:
            self._mail.set()
            log.info("step", tenant=line.tenant, account=line.account, taken=line.taken, backlog=line.backlog)
        if line.error:
            log.warning("step.trouble", tenant=line.tenant, account=line.account, reason=line.error)


class Follower:
    """Looks for revisions that another process applied, at the rhythm of the watcher."""

    def __init__(self, house: House, watcher: Watcher, on_applied: Callable[[], None]) -> None:
        self._house, self._watcher, self._on_applied = house, watcher, on_applied
        self._seen: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Follow until stopped."""
        for _ in self._watcher.changes(stop):
            try:
                self._look()
            except ReconcilerError as error:
                log.warning("source.unavailable", reason=str(error))

    def _look(self) -> None:
        with self._house.store.read() as connection:
            newest = newest_revision(connection)
        if newest != self._seen:
            self._on_applied()
            self._seen = newest


def _sent(_line: DeliveryLine) -> None:
    """Sending logs each mail itself."""


@dataclass(frozen=True, slots=True)
class _HasSecret:
    """Whether a secret can be resolved now; its value is dropped at once."""

    secrets: SecretStore

    def __call__(self, unit: str, name: str) -> bool:
        try:
            self.secrets.resolve(unit, name)
        except ReconcilerError:
            return False
        return True
