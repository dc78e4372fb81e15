"""What a running system shows to machines that watch: numbers, health and readiness, over HTTP."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.core.errors import Invalid
from reconciler.core.heartbeat import Loop
from reconciler.runtime.endpoint import parse_address
from reconciler.store.database import open_store
from tests.world import Running, World

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Watched:
    """A run's endpoint."""

    def __init__(self, run: Running) -> None:
        run.until(lambda: run.events("metrics.listening"), "the endpoint listens")
        event = run.events("metrics.listening")[0]
        self.run, self.base = run, f"http://{event['host']}:{event['port']}"

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(self.base + path, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def json(self, path: str) -> tuple[int, Any]:
        """Status and value."""
        status, body = self.get(path)
        return status, json.loads(body)

    def samples(self) -> Samples:
        """Every number of /metrics by name and labels."""
        status, body = self.get("/metrics")
        assert status == 200
        families = text_string_to_metric_families(body)
        return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}

    def number(self, name: str, **labels: str) -> float | None:
        """One number; None if it is not shown."""
        return self.samples().get((f"reconciler_{name}", frozenset(labels.items())))


@pytest.fixture
def acme(world: World) -> str:
    """Acme with one inbound account; its address."""
    address = world.fresh("support")
    world.unit("acme", world.account("support", address))
    return address


def test_what_happens_is_counted(world: World, acme: str) -> None:
    world.deliver(acme, 2)
    account = {"tenant": "acme", "account": "support"}
    with world.running("--metrics", "0") as run:
        watched = Watched(run)
        routed = {"action": "open_case", "kind": "human"}
        run.until(lambda: watched.number("mails_routed_total", **routed) == 2, "two mails are counted as routed")
        run.until(lambda: watched.number("account_condition", **account, condition="Ok"), "the account is well")
        world.command("reply", "C1", "--text", "Here it is.")
        run.until(lambda: watched.number("sendings_total", result="sent") == 1, "a reply is counted as sent")
        assert watched.number("mails_taken_total", **account) == 2
        assert (watched.number("steps_total", **account, outcome="ok") or 0) >= 1
        assert watched.number("account_backlog", **account) == 0
        assert (watched.number("account_last_success_timestamp_seconds", **account) or 0) > 1.7e9
        assert (watched.number("looks_total", outcome="ok") or 0) >= 1
        assert watched.number("units", sync="Synced") == 2
        assert watched.number("outbox_mails", state="sent") == 1
        assert watched.number("outbox_possibly_twice") == 0
        assert watched.number("mails_waiting") == 0
        assert watched.number("store_answers") == 1
        assert (watched.number("commit_seconds_count") or 0) == (watched.number("commit_pieces_count") or 1) > 0
        loops = {
            dict(labels)["loop"] for name, labels in watched.samples() if name == "reconciler_heartbeat_age_seconds"
        }
        assert loops == {loop.value for loop in Loop}
        assert (watched.number("last_look_timestamp_seconds", outcome="ok") or 0) > 1.7e9
        assert (watched.number("last_applied_timestamp_seconds") or 0) > 1.7e9
        world.command("suspend", "sending", "acme", "--reason", "quiet", "--for", "1h")
        suspended = {"activity": "sending", "target": "acme"}
        until, since = (
            watched.number(f"suspension_{n}_timestamp_seconds", **suspended) or 0 for n in ("until", "since")
        )
        assert round(until - since) == 3600
        assert watched.number("unit_behind_since_timestamp_seconds", tenant="acme", sync="Held") is None
        world.folder.write_text("acme", "{")
        run.until(
            lambda: watched.number("unit_behind_since_timestamp_seconds", tenant="acme", sync="Held"), "it is behind"
        )


def test_trouble_and_held_mails_are_shown(world: World) -> None:
    address = world.fresh("support")
    broken = world.account("broken", world.fresh("broken"))
    world.unit("acme", world.account("support", address), broken)
    world.secret("acme", "broken", None)
    world.customer_writes("stranger@x.example", world.main_reply)
    with world.running("--metrics", "0") as run:
        watched = Watched(run)
        run.until(lambda: watched.number("held_mails", reason="uncorrelated"), "the stray mail is shown as held")
        where = {"tenant": "acme", "account": "broken"}
        run.until(lambda: watched.number("account_condition", **where, condition="SecretMissing"), "it is shown")
        assert (watched.number("steps_total", **where, outcome="trouble") or 0) >= 1


def test_no_label_comes_from_a_mail(world: World, acme: str) -> None:
    world.customer_writes("Zzz <zzz@customer.example>", acme, "zzz subject", "zzz text")
    with world.running("--metrics", "0") as run:
        watched = Watched(run)
        run.until(lambda: run.events("mail.routed"), "the mail is routed")
        assert "zzz" not in watched.get("/metrics")[1]


def test_health_and_readiness_are_told(world: World, acme: str) -> None:
    with world.running("--metrics", "0") as run:
        watched = Watched(run)
        run.until(lambda: watched.json("/readyz") == (200, {"ready": True, "missing": []}), "it is ready")
        status, health = watched.json("/healthz")
        assert (status, health["stuck"]) == (200, [])
        assert "fetch" in health["loops"]
        assert watched.get("/elsewhere")[0] == 404


def test_before_anything_is_applied_it_is_not_ready(world: World) -> None:
    world.folder.remove("main")
    with world.running("--metrics", "0") as run:
        watched = Watched(run)
        assert watched.json("/readyz") == (503, {"ready": False, "missing": ["nothing is applied"]})
        assert watched.get("/healthz")[0] == 200


def test_a_lease_that_somebody_else_took_is_told(world: World, acme: str) -> None:
    with world.running("--metrics", "0") as run:
        watched = Watched(run)
        run.until(lambda: watched.json("/readyz")[0] == 200, "it is ready")
        store = open_store(world.state)
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE leases SET fence = fence + 1 WHERE name = 'mail'")
        store.close()
        assert watched.json("/readyz") == (503, {"ready": False, "missing": ["the lease mail is not held"]})
        run.process.kill()


def test_a_stuck_loop_is_no_health(world: World, acme: str) -> None:
    world.deliver(acme, 1)
    quick = {"RECONCILER_WATCHDOG_SECONDS": "2", "RECONCILER_ROUTE_SECONDS": "5"}
    with world.running("--metrics", "0", RECONCILER_FAULTS="decided=hang", **quick) as run:
        watched = Watched(run)
        ages: list[Mapping[str, float]] = []
        try:
            while run.process.poll() is None:
                ages.append(watched.json("/healthz")[1]["loops"])
        except (urllib.error.URLError, ConnectionError, http.client.HTTPException):
            pass
        assert run.process.wait(20) == 1
    assert max(age["route"] for age in ages if "route" in age) > 5


def test_without_the_option_nothing_listens(world: World, acme: str) -> None:
    with world.running() as run:
        run.until(lambda: run.events("unit.applied", unit="acme"), "acme is applied")
        assert run.events("metrics.listening") == []


def test_the_environment_may_say_it(world: World) -> None:
    with world.running(RECONCILER_METRICS="0") as run:
        assert Watched(run).base.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_ends_the_start(world: World) -> None:
    with world.running("--metrics", "0") as run:
        taken = Watched(run).base.rpartition(":")[2]
    assert world.command("run", "--metrics", "nonsense", check=1).stderr.count("HOST:PORT") == 1
    with world.running("--metrics", taken) as run:
        other = f"sqlite:///{world.path / 'other.db'}"
        assert "cannot listen" in world.command("run", "--metrics", taken, check=75, RECONCILER_STATE=other).stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("metrics.example:1", ("metrics.example", 1)),
    ],
)
def test_an_address_without_host_is_loopback(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "x", "host:", "::1:9", "1.2.3.4:99999", "a:b:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="HOST:PORT"):
        parse_address(text)
