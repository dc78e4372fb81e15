"""A tenant at work in a World: a customer who wrote, an expert who is asked, and the commands run in this process."""

from __future__ import annotations

import io
import json
import os
import smtplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from email.header import decode_header, make_header
from email.message import Message
from typing import Any
from unittest.mock import patch

from reconciler.cli.compose import house, registry
from reconciler.cli.main import run
from reconciler.core.outbox import DeliveryLine, OutboxRow
from reconciler.runtime.clock import utc_now
from reconciler.runtime.cycle import Engine
from reconciler.runtime.delivery import Sender
from reconciler.runtime.desk import AgentDesk
from reconciler.runtime.fleet import read_fleet
from reconciler.runtime.reminders import Reminding
from reconciler.runtime.router import Router
from reconciler.runtime.router_process import Routed, RouterProcess
from reconciler.runtime.sending import Postbox
from reconciler.runtime.supervisor import House, new_boot
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store.database import Store, open_store
from reconciler.store.outbox import list_rows, read_data
from tests.world import AGENT, World, mail

QUESTION = "Where is my parcel?"
ANSWER = "It left our house on Monday."


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


class HereRouter(RouterProcess):
    """A router that decides in this process."""

    def __init__(self, wired: House) -> None:
        self._here = Router(wired.store, wired.registry, wired.secrets, utc_now)

    def start(self) -> None:
        """It is always ready."""

    def route(self, mail_ids: Sequence[int], seconds: float, alive: Callable[[], None] = lambda: None) -> Routed:
        """Decide the mails."""
        return Routed(dict(self._here.route_together(mail_ids, lambda _mail: alive())))


class Commands:
    """The commands over a World's folder and state, run in this process."""

    def __init__(self, world: World) -> None:
        self.world = world

    def command(self, *arguments: str, check: int | None = 0, **env: str) -> Done:
        """Run a command in this process; `check` is the exit code it must have, None for any."""
        out, err = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.world.environment | env, clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(arguments)
        done = Done(code, out.getvalue(), err.getvalue())
        assert check is None or code == check, f"{arguments}: {code}\n{done.out}\n{done.err}"
        return done

    def json(self, *arguments: str) -> Any:
        """Run a command with --format json; its answer."""
        return json.loads(self.command(*arguments, "--format", "json").out)

    def lines(self, *arguments: str, check: int | None = 0) -> list[dict[str, Any]]:
        """Run a command with --format ndjson; its lines."""
        printed = self.command(*arguments, "--format", "ndjson", check=check).out
        return [json.loads(line) for line in printed.splitlines()]

    def fetch(self, router: RouterProcess | None = None) -> None:
        """Fetch and route all there is, as `fetch --drain` does; without `router` one in this process decides, as
        starting one costs seconds."""
        with self.house() as wired:
            writer = Writer(wired.store)
            engine = Engine(wired.tools(writer), lambda line: None)
            try:
                with wired.store.read() as connection:
                    engine.set_accounts(read_fleet(connection, wired.registry).accounts)
                engine.drain()
                wired.intake(writer, router or HereRouter(wired), new_boot()).drain()
            finally:
                engine.close()
                writer.close()

    @contextmanager
    def house(self) -> Iterator[House]:
        """What the loops share, over this world's state."""
        with patch.dict(os.environ, self.world.environment, clear=True):
            wired = house(self.world.state, self.world.secrets)
            yield wired
            wired.store.close()


class Office(Commands):
    """Tenant acme with the inbound account `support`; without `reply` the main reply account serves it.

    `support` and `reply` are further keys of those accounts; `tenant` of the file. The state is applied already.
    """

    def __init__(
        self, world: World, *, support: Any = None, reply: Any = None, unit: str = "acme", **tenant: Any
    ) -> None:
        super().__init__(world)
        self.unit = unit
        self.support, self.reply_account = world.fresh("support"), world.fresh("reply")
        self.customer = self.outside("customer", "customer.example")
        self.expert = self.outside("expert", "partner.example")
        accounts = [world.account("support", self.support, **support or {})]
        if reply is not None:
            accounts.append(world.account("reply", self.reply_account, "reply", **reply))
        world.unit(unit, *accounts, **tenant)
        self.command("apply")

    def outside(self, name: str, domain: str) -> str:
        """An address nobody else uses, outside the tenant's domain."""
        return self.world.fresh(name).replace("acme.example", domain)

    def send(self) -> None:
        """Send all that is due."""
        self.command("send", "--drain")

    def opened(self, text: str = QUESTION, subject: str = "My parcel") -> str:
        """The customer writes; the id of the case that is opened."""
        self.world.customer_writes(f"Carla Customer <{self.customer}>", self.support, subject, text)
        self.fetch()
        return str(self.cases()[0]["id"])

    def forwarded(self, case: str, to: str | None = None) -> Message:
        """Forward the case to the expert; the mail as it lies in the expert's mailbox."""
        to = to or self.expert
        self.command("forward", case, "--to", f"Erika Expert <{to}>", "--text", "Can you help?")
        self.send()
        return self.world.mailbox(to)[-1]

    def asked(self, case: str, *to: str, text: str = "Do you know?") -> list[Message]:
        """Inquire about the case; the mails as they lie in the mailboxes of the expert, or of those in `to`."""
        experts = to or (self.expert,)
        self.command("inquire", case, "--text", text, *(word for one in experts for word in ("--to", one)))
        self.send()
        return [self.world.mailbox(one)[-1] for one in experts]

    def answers(
        self,
        asked: Message,
        text: str = ANSWER,
        *headers: str,
        sender: str | None = None,
        to: str | None = None,
        threaded: bool = True,
        envelope_from: str | None = None,
    ) -> bytes:
        """Answer a mail of ours as a mail program would, to its Reply-To; what was sent. Nothing is fetched yet."""
        sender, to = sender or f"Erika Expert <{self.expert}>", to or reply_to(asked)
        thread = [f"In-Reply-To: {asked['Message-ID']}"] if threaded else []
        raw = mail(sender, to, f"Re: {header(asked, 'Subject')}", text, *thread, *headers)
        self.submit(raw, to, sender.rpartition("<")[2].rstrip(">") if envelope_from is None else envelope_from)
        return raw

    def submit(self, raw: bytes, to: str, envelope_from: str) -> None:
        """Hand a mail to the SMTP server as a stranger's server would."""
        with smtplib.SMTP("127.0.0.1", self.world.smtp_server.port, "stranger.example", timeout=20) as client:
            client.sendmail(envelope_from, [to], raw)

    def route(self) -> None:
        """Fetch and route what has come, and send what follows from it."""
        self.fetch()
        self.send()

    def cases(self) -> list[dict[str, Any]]:
        """The cases, the one that changed last first."""
        return list(self.json("cases")["cases"])

    def case(self, case: str) -> Any:
        """A case with its entries."""
        return self.json("case", case)

    def kinds(self, case: str) -> list[str]:
        """The kinds of a case's entries, oldest first."""
        return [entry["kind"] for entry in self.case(case)["entries"]]

    def referrals(self, *narrowed: str) -> list[dict[str, Any]]:
        """The referrals, oldest first."""
        return list(self.json("referrals", *narrowed)["referrals"])

    def referral(self) -> Any:
        """The only referral."""
        (found,) = self.referrals()
        return found

    def held(self) -> list[str]:
        """Why mails are held, oldest first."""
        return [held["reason"] for held in self.json("held")["held"]]

    def received(self, address: str | None = None) -> list[Message]:
        """The customer's mailbox, or another's."""
        return self.world.mailbox(address or self.customer)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The state, opened."""
        opened = open_store(self.world.state)
        yield opened
        opened.close()

    @contextmanager
    def desk(self) -> Iterator[AgentDesk]:
        """The agent's desk, for what is done at another time than now."""
        with self.store() as store:
            yield AgentDesk(store, registry(), SecretStore(self.world.secrets, {}), AGENT)

    def send_at(self, now: datetime) -> list[DeliveryLine]:
        """Send all that is due at that instant; what is told of each try."""
        lines: list[DeliveryLine] = []
        with self.house() as wired:
            writer = Writer(wired.store)
            try:
                postbox = Postbox(
                    wired.store, writer, wired.registry, wired.secrets, wired.settings, lambda: now, new_boot()
                )
                Sender(postbox, lines.append).drain()
            finally:
                writer.close()
        return lines

    def outbox(self) -> list[OutboxRow]:
        """The rows of the outbox, oldest first."""
        with self.store() as store, store.read() as connection:
            return list_rows(connection)

    def reminded_at(self, now: datetime) -> int:
        """Remind and expire what is due at that instant, and send it; how many referrals that were."""
        with self.house() as wired:
            writer = Writer(wired.store)
            try:
                tended = Reminding(wired.store, writer, wired.registry, wired.secrets, lambda: now).look()
            finally:
                writer.close()
        self.send_at(max(now, utc_now()))
        return tended

    def queued(self, outbox_id: int) -> bytes:
        """The bytes of a mail in the outbox."""
        with self.store() as store, store.read() as connection:
            return read_data(connection, outbox_id)


def header(message: Message, name: str) -> str:
    """A header, decoded and on one line; empty if it is not there."""
    return " ".join(str(make_header(decode_header(message.get(name, "")))).split())


def reply_to(message: Message) -> str:
    """The address an answer goes to."""
    return header(message, "Reply-To").rpartition("<")[2].rstrip(">")


def text_of(message: Message) -> str:
    """All inline text of a mail, decoded."""
    parts = [p for p in message.walk() if p.get_content_maintype() == "text" and not p.get_filename()]
    return "\n".join(_decoded(part) for part in parts)


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace").replace("\r\n", "\n") if isinstance(payload, bytes) else ""
