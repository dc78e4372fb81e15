"""Routing without mail servers: mails are put into the ledger, decided and filed over a database in memory.

Everything from the ledger to the outbox is the real thing; only fetching and sending are left out, so that thousands of
sequences take seconds.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, func, select, update
from sqlalchemy.pool import StaticPool

from reconciler.cli.main import run
from reconciler.core.fetch import Fetched
from reconciler.core.outbox import OutboxRow
from reconciler.core.referral import Referral, ReferralKind
from reconciler.core.token import TokenKey, format_key
from reconciler.runtime.desk import AgentDesk
from reconciler.runtime.errands import Errands
from reconciler.runtime.referring import refer
from reconciler.runtime.reminders import Reminding
from reconciler.runtime.router import Router
from reconciler.source.secret import SecretStore
from reconciler.store import cases, outbox
from reconciler.store.database import Store
from reconciler.store.filing import Filed, Filing, file_mail
from reconciler.store.held import list_held
from reconciler.store.ledger import Arrived, store_mails, waiting
from reconciler.store.tables import accounts, mails, meta, metadata
from tests.folders import Folder, system
from tests.runtime.accounts_folder import REGISTRY
from tests.states import account

KEY = TokenKey("k2", bytes(range(32)))
AGENT = "agent@desk.example"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def tenant(domain: str, **keys: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Two inbound accounts and a reply account of a tenant, in its own domain; `keys` of its file."""
    host = {"host": f"mail.{domain}"}
    made = [account(name, address=f"{name}@{domain}", smtp=host, imap=host) for name in ("support", "sales")]
    reply = system("reply", address=f"reply@{domain}", subaddressing="+", imap=host)
    return [*made, reply], keys


TWO = {"acme": tenant("acme.example"), "globex": tenant("globex.example")}
"""Two tenants; inquiries of both go through the main account."""


@cache
def _template(frozen: str) -> bytes:
    """The database after these tenants were applied (they come as JSON, so that it is made once)."""
    import json

    tenants = json.loads(frozen)
    with tempfile.TemporaryDirectory() as place:
        folder, state = Folder(Path(place) / "accounts.d"), Path(place) / "state.db"
        for unit, (units_accounts, keys) in tenants.items():
            folder.write(unit, *units_accounts, **keys)
        code = run(["apply", str(folder.root), "--state", f"sqlite:///{state}", "--secrets", place])
        assert code == 0, code
        raw = sqlite3.connect(state)
        raw.execute("PRAGMA journal_mode = DELETE")
        data = raw.serialize()
        raw.close()
        return data


class _Writer:
    """Does what a Writer does, in this thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, work: Any) -> Any:
        with self._store.write() as connection:
            return work(connection)


class MailRoom:
    """An installation with these tenants; time goes on only when told to."""

    def __init__(self, tenants: Mapping[str, Any] = TWO, *, instance: str | None = None) -> None:
        import json

        raw = sqlite3.connect(":memory:", check_same_thread=False)
        raw.deserialize(_template(json.dumps(tenants)))
        raw.isolation_level = None
        self._raw, self._marked = raw, (START, 0)
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        self.store, self.now = Store(engine), START
        secrets = SecretStore(None, {"RECONCILER_SECRET__MAIN__TOKEN_KEYS": format_key(KEY)})
        self.router = Router(self.store, REGISTRY, secrets, lambda: self.now)
        self.desk = AgentDesk(self.store, REGISTRY, secrets, AGENT)
        writer: Any = _Writer(self.store)
        self.errands = Errands(self.store, writer, REGISTRY, secrets, lambda: self.now)
        self.reminding = Reminding(self.store, writer, REGISTRY, secrets, lambda: self.now)
        self._uid = 0
        with self.store.write() as connection:
            self.keys = {f"{r.unit}/{r.id}": r.key for r in connection.execute(select(accounts))}
            if instance is not None:
                connection.execute(update(meta).where(meta.c.name == "instance").values(value=instance))

    def mark(self) -> None:
        """Remember how everything stands; `reset` leads back there."""
        self._raw.execute("ATTACH ':memory:' AS marked")
        for table in metadata.tables:
            self._raw.execute(f"CREATE TABLE marked.{table} AS SELECT * FROM main.{table}")
        self._marked = self.now, self._uid

    def reset(self) -> None:
        """Back to the mark. Rows are replaced, not tables: what was compiled for these is most of the time."""
        self._raw.execute("BEGIN")
        for table in metadata.tables:
            self._raw.execute(f"DELETE FROM main.{table}")
            self._raw.execute(f"INSERT INTO main.{table} SELECT * FROM marked.{table}")
        self._raw.execute("COMMIT")
        self.now, self._uid = self._marked

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def arrive(self, account: str, raw: bytes) -> int:
        """A mail was fetched from the account (`tenant/id`); its id."""
        self._uid += 1
        with self.store.write() as connection:
            mail = Fetched("INBOX", 1, str(self._uid), raw, self.now)
            store_mails(connection, [Arrived(self.keys[account], mail, self.now, "keep", None)])
            return int(connection.execute(select(func.max(mails.c.id))).scalar_one())

    def decide(self, mail_id: int) -> Filing | None:
        """Decide a mail; nothing is written."""
        return self.router.route(mail_id)

    def file(self, filing: Filing) -> Filed:
        """Write a decision."""
        with self.store.write() as connection:
            return file_mail(connection, filing, self.now)

    def route(self) -> None:
        """Decide and write all that waits; what rested on something that has changed is decided anew."""
        anew = True
        while anew:
            with self.store.read() as connection:
                found = waiting(connection, 1_000)
            anew = False
            for mail in found:
                filing = self.decide(mail.id)
                anew |= filing is not None and self.file(filing) is Filed.STALE

    def receive(self, account: str, raw: bytes) -> int:
        """A mail is fetched and routed; its id."""
        mail_id = self.arrive(account, raw)
        self.route()
        return mail_id

    def ask(self, case: int, *to: str, kind: ReferralKind = ReferralKind.FORWARD, text: str = "Do you know?") -> int:
        """Ask externals about the case; the id of the first referral."""
        return refer(self.desk, case, kind, to, text, self.now)[0][0]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A look into the database."""
        with self.store.read() as connection:
            yield connection

    def outbox(self) -> list[OutboxRow]:
        """Mails of ours, oldest first."""
        with self.read() as connection:
            return outbox.list_rows(connection)

    def sent(self, outbox_id: int) -> bytes:
        """The bytes of a mail of ours."""
        with self.read() as connection:
            return outbox.read_data(connection, outbox_id)

    def held(self) -> list[str]:
        """Why mails are held, oldest first."""
        with self.read() as connection:
            return [held.reason for held in list_held(connection)]

    def actions(self) -> list[str]:
        """What was done with each mail."""
        with self.read() as connection:
            rows = connection.execute(select(mails.c.decision).order_by(mails.c.id)).scalars()
            return [decision["action"] for decision in rows if decision]

    def cases(self) -> list[Any]:
        """The cases, oldest first."""
        with self.read() as connection:
            return sorted(cases.list_cases(connection), key=lambda case: case.id)

    def referral(self, referral_id: int) -> Referral:
        """A referral as it stands."""
        with self.read() as connection:
            found = cases.read_referral(connection, referral_id)
        assert found is not None
        return found


def letter(sender: str, to: str, subject: str = "My parcel", text: str = "Where is it?", *headers: str) -> bytes:
    """A mail as the ledger holds it; equal arguments, equal bytes."""
    given = {header.partition(":")[0].lower() for header in headers}
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", "Date: Mon, 2 Mar 2026 10:00:00 +0000"]
    lines = [line for line in lines if line.partition(":")[0].lower() not in given]
    return "\r\n".join([*lines, *headers, "", text, ""]).encode("utf-8", "surrogateescape")
