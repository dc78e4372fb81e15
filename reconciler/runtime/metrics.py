"""What Prometheus sees of a running system: counters that loops tell of, gauges that are read from the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import StepLine
from reconciler.core.heartbeat import Loop
from reconciler.core.outbox import DeliveryLine, OutboxState
from reconciler.core.status import Sync
from reconciler.core.suspension import Suspension
from reconciler.runtime.clock import utc_now
from reconciler.runtime.heartbeat import Heartbeats
from reconciler.runtime.observer import Observer
from reconciler.store.database import Store
from reconciler.store.gauges import AccountGauge, Gauges, read_gauges

CONTENT_TYPE = CONTENT_TYPE_LATEST
_PIECES = (1, 2, 5, 10, 20, 50, 100, 200)
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics(Observer):
    """An observer that counts. Labels are names of the accounts folder and words of this program, never of mails."""

    def __init__(self, store: Store, beats: Heartbeats) -> None:
        self._beats = beats
        self._registry = registry = CollectorRegistry()
        account = ["tenant", "account"]
        self._steps = Counter("reconciler_steps", "Fetch steps.", [*account, "outcome"], registry=registry)
        self._taken = Counter("reconciler_mails_taken", "Mails fetched and stored.", account, registry=registry)
        self._routed = Counter("reconciler_mails_routed", "Mails decided.", ["action", "kind"], registry=registry)
        self._sent = Counter("reconciler_sendings", "Tries to send.", ["result"], registry=registry)
        self._looks = Counter("reconciler_looks", "Looks at the accounts folder.", ["outcome"], registry=registry)
        self._looked = Gauge(
            "reconciler_last_look_timestamp_seconds", "When a look ended so last.", ["outcome"], registry=registry
        )
        self._pieces = Histogram(
            "reconciler_commit_pieces", "Pieces of work in a commit.", registry=registry, buckets=_PIECES
        )
        self._seconds = Histogram("reconciler_commit_seconds", "Time of a commit.", registry=registry, buckets=_SECONDS)
        registry.register(_Collector(store, beats))

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)

    def beat(self, loop: Loop) -> None:
        """See Observer."""
        self._beats.beat(loop)

    def ended(self, loop: Loop) -> None:
        """See Observer."""
        self._beats.ended(loop)

    def stepped(self, line: StepLine) -> None:
        """See Observer."""
        tenant = line.tenant or "main"
        self._steps.labels(tenant, line.account, "trouble" if line.error else "ok").inc()
        self._taken.labels(tenant, line.account).inc(line.taken)

    def routed(self, action: str, kind: str) -> None:
        """See Observer."""
        self._routed.labels(action, kind).inc()

    def sent(self, line: DeliveryLine) -> None:
        """See Observer."""
        self._sent.labels(line.result).inc()

    def looked(self, outcome: str) -> None:
        """See Observer."""
        self._looks.labels(outcome).inc()
        self._looked.labels(outcome).set_to_current_time()

    def committed(self, pieces: int, seconds: float) -> None:
        """See Observer."""
        self._pieces.observe(pieces)
        self._seconds.observe(seconds)


class _Collector:
    """Reads the store whenever somebody asks; a store that does not answer is told as such."""

    def __init__(self, store: Store, beats: Heartbeats) -> None:
        self._store, self._beats = store, beats

    def collect(self) -> Iterator[Metric]:
        ages = {loop.value: age for loop, age in self._beats.ages().items()}
        yield _labelled("heartbeat_age_seconds", "Since a loop last went round.", "loop", ages)
        try:
            with self._store.read() as connection:
                gauges = read_gauges(connection, utc_now())
        except ReconcilerError:
            yield GaugeMetricFamily("reconciler_store_answers", "Whether the store answers.", 0)
            return
        yield GaugeMetricFamily("reconciler_store_answers", "Whether the store answers.", 1)
        yield from _of_accounts(gauges.accounts)
        yield from _of_everything(gauges)
        yield from _of_units(gauges)
        yield from _of_suspensions(gauges.suspensions)


def _of_accounts(found: tuple[AccountGauge, ...]) -> Iterator[Metric]:
    labels = ["tenant", "account"]
    condition = GaugeMetricFamily(
        "reconciler_account_condition", "1 for the account's condition.", labels=[*labels, "condition"]
    )
    backlog = GaugeMetricFamily("reconciler_account_backlog", "Mails still to be taken.", labels=labels)
    success = GaugeMetricFamily(
        "reconciler_account_last_success_timestamp_seconds", "When a step last went well.", labels=labels
    )
    coming = GaugeMetricFamily(
        "reconciler_account_next_step_timestamp_seconds", "When the account is to be served next.", labels=labels
    )
    for gauge in found:
        name = [gauge.unit, gauge.account]
        condition.add_metric([*name, gauge.condition.value if gauge.condition else "Unknown"], 1)
        backlog.add_metric(name, gauge.backlog)
        if gauge.succeeded_at is not None:
            success.add_metric(name, gauge.succeeded_at.timestamp())
        if gauge.next_at is not None:
            coming.add_metric(name, gauge.next_at.timestamp())
    yield from (condition, backlog, success, coming)


def _of_everything(gauges: Gauges) -> Iterator[Metric]:
    yield GaugeMetricFamily("reconciler_mails_waiting", "Mails stored and not decided yet.", gauges.waiting)
    yield _labelled("held_mails", "Mails that wait for a person.", "reason", gauges.held)
    states = {state.value: gauges.outbox.get(state.value, 0) for state in OutboxState}
    yield _labelled("outbox_mails", "Mails of ours.", "state", states)
    yield GaugeMetricFamily(
        "reconciler_outbox_possibly_twice", "Mails of ours that went out twice, perhaps.", gauges.possibly_twice
    )


def _of_units(gauges: Gauges) -> Iterator[Metric]:
    syncs = {sync.value: gauges.units.get(sync.value, 0) for sync in Sync}
    yield _labelled("units", "Tenants (and main) by how their files stand to what runs.", "sync", syncs)
    behind = GaugeMetricFamily(
        "reconciler_unit_behind_since_timestamp_seconds",
        "Since when a tenant's files say something else than what runs.",
        labels=["tenant", "sync"],
    )
    for gauge in gauges.behind:
        behind.add_metric([gauge.unit, gauge.sync], gauge.since.timestamp())
    yield behind
    applied = GaugeMetricFamily("reconciler_last_applied_timestamp_seconds", "When a revision was applied last.")
    if gauges.applied_at is not None:
        applied.add_metric([], gauges.applied_at.timestamp())
    yield applied


def _of_suspensions(suspensions: tuple[Suspension, ...]) -> Iterator[Metric]:
    labels = ["activity", "target"]
    since = GaugeMetricFamily(
        "reconciler_suspension_since_timestamp_seconds", "Since when something is suspended.", labels=labels
    )
    until = GaugeMetricFamily("reconciler_suspension_until_timestamp_seconds", "When that ends.", labels=labels)
    for suspension in suspensions:
        name = [suspension.activity.value, str(suspension.target)]
        since.add_metric(name, suspension.since.timestamp())
        until.add_metric(name, suspension.until.timestamp())
    yield from (since, until)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(f"reconciler_{name}", text, labels=[label])
    for value, number in values.items():
        metric.add_metric([value], number)
    return metric
