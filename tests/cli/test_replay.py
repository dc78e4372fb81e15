"""Replay: the mails that changed rules would send elsewhere, exactly those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from reconciler.store.database import Store, open_store
from reconciler.store.tables import accounts, mails
from tests.folders import Folder, system
from tests.mailroom import KEY, START, letter
from tests.states import account

OLD = [
    {"id": "spam", "when": {"header": {"X-Spam": {"equals": "yes"}}}, "then": {"discard": True}},
    {"id": "invoices", "when": {"subject": {"contains": "invoice"}}, "then": {"queue": "billing"}},
    {"id": "odd", "when": {"body": {"contains": "odd"}}, "then": {"hold": True}},
]
NEW = [
    {"id": "invoices-7", "when": {"subject": {"contains": "invoice 7"}}, "then": {"queue": "billing"}},
    {"id": "invoices", "when": {"subject": {"contains": "invoice"}, "kind": "human"}, "then": {"queue": "accounts"}},
    {"id": "returns", "when": {"body": {"contains": "back"}}, "then": {"queue": "returns"}},
]
MAILS = {
    "stays, by another rule": letter("a@x.example", "s@acme.example", "Invoice 7"),
    "to another queue": letter("a@x.example", "s@acme.example", "Invoice 8"),
    "discarded before": letter("a@x.example", "s@acme.example", "Hello", "Hi", "X-Spam: yes"),
    "held before": letter("a@x.example", "s@acme.example", "Hello", "This is odd."),
    "by its body": letter("a@x.example", "s@acme.example", "Hello", "I send it back."),
    "stays": letter("a@x.example", "s@acme.example", "Hello", "Hi"),
    "a bounce": letter("mailer-daemon@x.example", "s@acme.example", "Undelivered Mail Returned to Sender", "invoice"),
}
MOVED = {
    "to another queue": ("queue billing", "queue accounts", "invoices", "invoices"),
    "discarded before": ("discarded", "no queue", "spam", None),
    "held before": ("held", "no queue", "odd", None),
    "by its body": ("no queue", "queue returns", None, "returns"),
}


class Place:
    """An applied folder whose state holds the mails, routed under the old rules."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, f"sqlite:///{root}/state.db"
        self.folder = Folder(root / "accounts.d")
        self.write(OLD)
        assert run(["apply", str(self.folder.root), "--state", self.state, "--secrets", str(root)]) == 0
        self.fill()

    def write(self, rules: list[Any], unit: str = "acme") -> None:
        """Write the tenant's file with these rules."""
        self.folder.write(unit, account("support"), system("reply"), routing=rules)

    def fill(self) -> None:
        """Store and route the mails."""
        from sqlalchemy import select

        from reconciler.core.fetch import Fetched
        from reconciler.core.token import format_key
        from reconciler.runtime.router import Router
        from reconciler.source.secret import SecretStore
        from reconciler.store.filing import file_mail
        from reconciler.store.ledger import Arrived, store_mails
        from tests.runtime.accounts_folder import REGISTRY

        store = open_store(self.state)
        secrets = SecretStore(None, {"RECONCILER_SECRET__MAIN__TOKEN_KEYS": format_key(KEY)})
        router = Router(store, REGISTRY, secrets, lambda: START)
        with store.write() as connection:
            key = connection.execute(select(accounts.c.key).where(accounts.c.id == "support")).scalar_one()
            arrived = [
                Arrived(key, Fetched("INBOX", 1, str(number), raw, START), START, "keep", None)
                for number, raw in enumerate(MAILS.values(), 1)
            ]
            store_mails(connection, arrived)
        with store.read() as connection:
            ids = list(connection.execute(select(mails.c.id)).scalars())
        for mail_id in ids:
            filing = router.route(mail_id)
            assert filing is not None
            with store.write() as connection:
                file_mail(connection, filing, START)
        store.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("replay"))


@pytest.fixture(scope="module")
def changed(place: Place) -> Place:
    """The working copy has the new rules."""
    place.write(NEW)
    return place


def replayed(place: Place, capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> list[dict[str, Any]]:
    asked = ["replay", "--to", str(place.folder.root), "--state", place.state, "--format", "ndjson", *options]
    assert run(asked) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("full", [(), ("--full",)], ids=["rules", "full"])
def test_exactly_the_mails_that_move_are_told(
    changed: Place, capsys: pytest.CaptureFixture[str], full: tuple[str, ...]
) -> None:
    names = list(MAILS)
    found = {
        names[int(line["mail"][1:]) - 1]: (line["from"], line["to"], line["rule_from"], line["rule_to"])
        for line in replayed(changed, capsys, *full)
    }
    assert found == MOVED


def test_the_counts_come_first_and_samples_on_request(changed: Place, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["replay", "--to", str(changed.folder.root), "--state", changed.state]
    assert run(asked) == 0
    short = capsys.readouterr().out.splitlines()
    assert (short[0], len(short)) == ("4 of 6 mails would go elsewhere", 5)
    assert "      1  acme: queue billing → queue accounts" in short
    assert run([*asked, "--verbose"]) == 0
    assert "M2  acme/support  queue billing (invoices) → queue accounts (invoices)" in capsys.readouterr().out


def test_old_mails_and_other_tenants_are_left_out(changed: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(changed, capsys, "--age", "1d") == []
    assert replayed(changed, capsys, "--tenant", "globex") == []
    assert run(["replay", "--age", "soon", "--to", str(changed.folder.root), "--state", changed.state]) == 64


def test_a_plan_shows_what_its_rules_would_have_done(changed: Place, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", str(changed.folder.root), "--state", changed.state, "--replay", "9999d"]
    assert run([*asked, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["replay"]
    assert (found["mails"], found["moved"]) == (6, 4)
    assert {"tenant": "acme", "from": "discarded", "to": "no queue", "mails": 1} in found["moves"]
    assert run(asked) == 0
    assert "4 of 6 mails would go elsewhere" in capsys.readouterr().out


def test_two_revisions_are_compared_by_number(changed: Place, capsys: pytest.CaptureFixture[str]) -> None:
    run(["apply", str(changed.folder.root), "--state", changed.state, "--secrets", str(changed.root)])
    capsys.readouterr()
    assert run(["history", "acme", "--state", changed.state, "--format", "json"]) == 0
    new, old = [line["revision"] for line in json.loads(capsys.readouterr().out)["tenants"]]
    both = ["replay", "--from", str(old), "--to", str(new), "--state", changed.state, "--format", "ndjson"]
    assert run(both) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(MOVED)
    assert run(["replay", "--from", "999", "--state", changed.state, "--to", str(new)]) == 1
    assert "history" in capsys.readouterr().err


def test_in_processes_the_answer_is_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.core.rule import Rule
    from reconciler.runtime import replay

    monkeypatch.setattr(replay, "_FEWEST_FOR_PROCESSES", 0)
    sets = [{"acme": tuple(Rule.model_validate(one) for one in rules)} for rules in (OLD, NEW)]
    store: Store = open_store(place.state)
    found = replay.replay(store, place.state, replay.Job(*sets), None)
    store.close()
    assert (found.mails, len(found.moved)) == (6, 4)
