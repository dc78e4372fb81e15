"""Every fault of a mail server at once, each at an account of its own, beside neighbours that are well."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.core.health import Condition
from tests.rig.certificate import Certificate, expired, make_certificate
from tests.rig.dovecot import Dovecot
from tests.rig.front import Act, Does, Fault, Front, Fronts, Leads, Refuses, Says, Spoils
from tests.rig.impostor import impostor
from tests.rig.scripted import Script
from tests.rig.smtp_server import SmtpServer
from tests.runtime.fault_ground import Stored, Told, customers, deliver, wait_for_each, watched
from tests.runtime.fault_rows import (
    BODY,
    CAPABILITY,
    GARBAGE,
    GREETING,
    LOGS_IN,
    OFFERS_STARTTLS,
    PROTOCOL_ERROR,
    THROTTLED,
    TIMED_OUT,
    TLS_FAILED,
    UNREACHABLE,
    Row,
    answers_login,
    around,
    asks_to_wait,
    half,
    half_then_bye,
    instead,
    literals,
    pop3,
    replaced,
    slowly,
    starttls,
    twice,
)
from tests.world import World, until

pytestmark = pytest.mark.xdist_group("fault-table")
"""In one process: what its tests share takes long to make."""

TABLE = [
    pytest.param(
        Row(Refuses(), UNREACHABLE, "refused the connection; check host, port and firewall"),
        id="refused",
        marks=pytest.mark.field("refused"),
    ),
    pytest.param(Row(Does([Act.RESET]), UNREACHABLE, "IMAP server"), id="reset", marks=pytest.mark.field("reset")),
    pytest.param(
        Row(Spoils(BODY, half(Act.RESET)), UNREACHABLE, "Connection reset by peer"),
        id="reset in a mail",
        marks=pytest.mark.field("reset"),
    ),
    pytest.param(
        Row(Spoils("SELECT", lambda *_: [Act.HANG]), TIMED_OUT, "did not answer", hangs=True),
        id="half-open",
        marks=pytest.mark.field("half-open"),
    ),
    pytest.param(
        Row(Does([Act.HANG]), TIMED_OUT, "did not answer in time", hangs=True),
        id="silent",
        marks=pytest.mark.field("silent after greeting"),
    ),
    pytest.param(
        Row(Does([GREETING, Act.HANG]), TIMED_OUT, "did not answer in time", hangs=True),
        id="silent after greeting",
        marks=pytest.mark.field("silent after greeting"),
    ),
    pytest.param(
        Row(Says(Script(GREETING, LOGS_IN)), TIMED_OUT, "did not answer", hangs=True),
        id="silent after login",
        marks=pytest.mark.field("silent after greeting"),
    ),
    pytest.param(
        Row(Spoils(BODY, half(Act.HANG)), TIMED_OUT, "did not answer", hangs=True),
        id="silent in a literal",
        marks=pytest.mark.field("silent inside a literal"),
    ),
    pytest.param(
        Row(Does([Act.SLOWLY, b"* OK " + b"x" * 600]), TIMED_OUT, "the step had no end within 4 s", hangs=True),
        id="slow greeting",
        marks=pytest.mark.field("one byte a second"),
    ),
    pytest.param(
        Row(Spoils(BODY, slowly), TIMED_OUT, "the step had no end within 4 s", hangs=True),
        id="slow mail",
        marks=pytest.mark.field("one byte a second"),
    ),
    pytest.param(
        Row(Does([GARBAGE]), PROTOCOL_ERROR, "gave no proper answer"),
        id="garbage greeting",
        marks=pytest.mark.field("garbage for a tagged answer"),
    ),
    pytest.param(
        Row(Spoils("SELECT", instead(GARBAGE)), PROTOCOL_ERROR, "gave no proper answer"),
        id="garbage for a tagged answer",
        marks=pytest.mark.field("garbage for a tagged answer"),
    ),
    pytest.param(
        Row(Spoils(BODY, instead(GARBAGE)), PROTOCOL_ERROR, "gave no proper answer"),
        id="garbage for a mail",
        marks=pytest.mark.field("garbage for a tagged answer"),
    ),
    pytest.param(
        Row(Spoils(BODY, half_then_bye), UNREACHABLE, "ended the session"),
        id="BYE in the middle",
        marks=pytest.mark.field("BYE in the middle"),
    ),
    pytest.param(
        Row(Spoils("SELECT", around(b"", b"* BYE closing\r\n", Act.CLOSE)), UNREACHABLE, "IMAP server"),
        id="BYE with SELECT",
        marks=pytest.mark.field("BYE with SELECT's OK"),
    ),
    pytest.param(
        Row(Spoils(BODY, literals(-20)), PROTOCOL_ERROR, "gave no proper answer"),
        id="literal shorter",
        marks=pytest.mark.field("literal of another length"),
    ),
    pytest.param(
        Row(Spoils(BODY, literals(4000)), TIMED_OUT, "did not answer", hangs=True),
        id="literal longer",
        marks=pytest.mark.field("literal of another length"),
    ),
    pytest.param(
        Row(Spoils("FETCH", around(b"* 2 EXPUNGE\r\n* 9 EXISTS\r\n", b"* 1 EXPUNGE\r\n"))),
        id="EXPUNGE and EXISTS",
        marks=pytest.mark.field("unsolicited EXPUNGE and EXISTS"),
    ),
    pytest.param(Row(Spoils(BODY, twice)), id="two answers", marks=pytest.mark.field("two FETCH answers")),
    pytest.param(
        Row(
            Spoils("SELECT", replaced(rb"UIDVALIDITY [0-9]+", b"UIDVALIDITY 0")),
            PROTOCOL_ERROR,
            "tells no UIDVALIDITY for INBOX; nothing is taken",
        ),
        id="UIDVALIDITY 0",
        marks=pytest.mark.field("UIDVALIDITY 0"),
    ),
    pytest.param(
        Row(
            Spoils("SELECT", instead(b"{tag} NO [INUSE] locked\r\n")),
            THROTTLED,
            "asks to wait ([INUSE] locked)",
            waits=True,
        ),
        id="in use",
        marks=pytest.mark.field("in use"),
    ),
    pytest.param(asks_to_wait(b"[INUSE] locked"), id="in use at login", marks=pytest.mark.field("in use")),
    pytest.param(
        asks_to_wait(b"[UNAVAILABLE] backend is down", waits=False),
        id="UNAVAILABLE",
        marks=pytest.mark.field("throttled"),
    ),
    pytest.param(asks_to_wait(b"[OVERQUOTA] too much"), id="OVERQUOTA", marks=pytest.mark.field("throttled")),
    pytest.param(asks_to_wait(b"[LIMIT] too much"), id="LIMIT", marks=pytest.mark.field("throttled")),
    pytest.param(
        asks_to_wait(b"[ALERT] Too many simultaneous connections. (Failure)"),
        id="too many connections",
        marks=pytest.mark.field("throttled"),
    ),
    pytest.param(
        asks_to_wait(b"Request is throttled. Suggested Backoff Time: 97500 milliseconds"),
        id="back-off time",
        marks=pytest.mark.field("throttled"),
    ),
    pytest.param(
        asks_to_wait(b"Request is throttled. Suggested Backoff Time: soon"),
        id="back-off without time",
        marks=pytest.mark.field("throttled"),
    ),
    pytest.param(
        asks_to_wait(b"[UNAVAILABLE] Maximum number of connections from user+IP exceeded"),
        id="Dovecot's limit",
        marks=pytest.mark.field("throttled"),
    ),
    pytest.param(
        asks_to_wait(b"Account exceeded command or bandwidth limits. (Failure)"),
        id="bandwidth",
        marks=pytest.mark.field("throttled"),
    ),
    pytest.param(
        Row(
            Spoils("UID SEARCH", replaced(rb" OK ", b" OK [THROTTLED] ")),
            THROTTLED,
            "said [THROTTLED] in an answer",
            waits=True,
        ),
        id="THROTTLED in an OK",
        marks=pytest.mark.field("throttled"),
    ),
    pytest.param(
        Row("wrong name", TLS_FAILED, "the certificate is not trusted (Hostname mismatch", security="tls"),
        id="wrong name",
        marks=pytest.mark.field("wrong certificate"),
    ),
    pytest.param(
        Row("wrong authority", TLS_FAILED, "the certificate is not trusted (self-signed certificate", security="tls"),
        id="wrong authority",
        marks=pytest.mark.field("wrong certificate"),
    ),
    pytest.param(
        Row("expired", TLS_FAILED, "the certificate is not trusted (certificate has expired)", security="tls"),
        id="expired",
        marks=pytest.mark.field("expired certificate"),
    ),
    pytest.param(
        Row(Does([GREETING]), TLS_FAILED, "TLS failed (WRONG_VERSION_NUMBER)", security="tls"),
        id="no TLS",
        marks=pytest.mark.field("wrong certificate"),
    ),
    pytest.param(
        starttls(Script(GREETING, [CAPABILITY]), "does not offer STARTTLS"),
        id="STARTTLS removed",
        marks=pytest.mark.field("STARTTLS removed"),
    ),
    pytest.param(
        starttls(Script(b"* PREAUTH welcome\r\n", [OFFERS_STARTTLS]), "PREAUTH"),
        id="PREAUTH",
        marks=pytest.mark.field("PREAUTH"),
    ),
    pytest.param(
        Row(Says(Script(b"* PREAUTH welcome\r\n", [CAPABILITY])), PROTOCOL_ERROR, "PREAUTH"),
        id="PREAUTH without TLS",
        marks=pytest.mark.field("PREAUTH"),
    ),
    pytest.param(
        starttls(
            Script(GREETING, [OFFERS_STARTTLS, ("STARTTLS", b"{tag} OK go\r\n* CAPABILITY IMAP4rev1\r\n")]),
            "sent data before TLS began",
        ),
        id="before TLS",
        marks=pytest.mark.field("data before TLS"),
    ),
    pytest.param(
        pop3(Refuses(), UNREACHABLE, "refused the connection"), id="POP3 refused", marks=pytest.mark.field("refused")
    ),
    pytest.param(
        pop3(Does([Act.HANG]), TIMED_OUT, "did not answer in time", hangs=True),
        id="POP3 silent",
        marks=pytest.mark.field("POP3 silent"),
    ),
    pytest.param(
        pop3(Spoils("RETR", half(Act.HANG)), TIMED_OUT, "did not answer in time", hangs=True),
        id="POP3 silent in a mail",
        marks=pytest.mark.field("POP3 silent"),
    ),
    pytest.param(
        pop3(Does([Act.SLOWLY, b"+OK " + b"x" * 600]), TIMED_OUT, "the step had no end within 4 s", hangs=True),
        id="POP3 slow greeting",
        marks=pytest.mark.field("one byte a second"),
    ),
    pytest.param(
        pop3(Spoils("RETR", slowly), TIMED_OUT, "the step had no end within 4 s", hangs=True),
        id="POP3 slow mail",
        marks=pytest.mark.field("one byte a second"),
    ),
    pytest.param(
        pop3(Does([GARBAGE]), PROTOCOL_ERROR, "gave no proper answer"),
        id="POP3 garbage",
        marks=pytest.mark.field("POP3 garbage"),
    ),
    pytest.param(
        pop3(Spoils("UIDL", instead(GARBAGE)), PROTOCOL_ERROR, "POP3 server"),
        id="POP3 garbage for a list",
        marks=pytest.mark.field("POP3 garbage"),
    ),
    pytest.param(
        pop3(
            answers_login(b"-ERR [IN-USE] somebody reads it\r\n", pop3=True),
            THROTTLED,
            "the mailbox is in use",
            waits=True,
        ),
        id="POP3 in use",
        marks=pytest.mark.field("POP3 IN-USE"),
    ),
    pytest.param(
        pop3(
            answers_login(b"-ERR [SYS/TEMP] disk is full\r\n", pop3=True), UNREACHABLE, "cannot serve the mailbox now"
        ),
        id="POP3 temporary",
        marks=pytest.mark.field("POP3 SYS/TEMP"),
    ),
    pytest.param(
        pop3(
            answers_login(b"-ERR [LOGIN-DELAY] too soon\r\n", pop3=True),
            THROTTLED,
            "wants a pause between logins",
            waits=True,
        ),
        id="POP3 login delay",
        marks=pytest.mark.field("POP3 LOGIN-DELAY"),
    ),
    pytest.param(
        pop3(Spoils("RETR", half(Act.CLOSE)), UNREACHABLE, "POP3 server"),
        id="POP3 cut short",
        marks=pytest.mark.field("POP3 body cut short"),
    ),
    pytest.param(
        pop3(Spoils("RETR", instead(b"+OK\r\n.\r\n")), PROTOCOL_ERROR, "UIDL"),
        id="POP3 empty",
        marks=pytest.mark.field("POP3 body cut short"),
    ),
]
ROWS: Mapping[str, Row] = {str(one.id): one.values[0] for one in TABLE}  # type: ignore[misc]
NEIGHBOURS = ("near", "far", "third")
FIRST, LATER = 3, 2
"""Mails that wait for each account at the start, and that come while its fault lasts and afterwards."""
ALL = Stored(FIRST + LATER, FIRST + LATER, FIRST + LATER)
LIMITS = {"connect": 1.5, "command": 1.5, "step": 4.0, "late": 0.3, "retry": 1.0}
AN_HOUR = 3700.0
"""Longer than any server of the table asks to be left alone for."""


@dataclass(frozen=True)
class Aftermath:
    """What the engine told while the faults lasted, and what was stored and told to the servers in the end."""

    during: Mapping[str, list[Told]]
    neighbours: list[Told]
    stored: Mapping[str, Stored]
    told: Mapping[str, int]
    written: Mapping[str, int]


@pytest.fixture(scope="module")
def aftermath(
    tmp_path_factory: pytest.TempPathFactory,
    dovecot: Dovecot,
    smtp_server: SmtpServer,
    certificate: Certificate,
    both_doors: str,
) -> Iterator[Aftermath]:
    """All faults at once until each was met; then all are mended, and an hour has passed by the engine's clock."""
    path = tmp_path_factory.mktemp("table")
    world = World(path, dovecot, smtp_server, lambda name: f"{name}-{both_doors[0]}-table@acme.example")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        shown = certificates(path, stack, certificate, patch)
        fronts = stack.enter_context(Fronts())
        met = {name: front_of(row, fronts, dovecot, shown) for name, row in ROWS.items()}
        accounts = [account_of(world, slug(name), row, met[name]) for name, row in ROWS.items()]
        neighbours = {name: world.fresh(name) for name in NEIGHBOURS}
        world.unit("acme", *accounts, *(world.account(name, address) for name, address in neighbours.items()))
        world.apply()
        yield played(world, fronts, met, neighbours)


def slug(name: str) -> str:
    """A row's name as an account's."""
    return re.sub("[^a-z0-9]+", "-", name.lower())


def certificates(
    path: Path, stack: ExitStack, certificate: Certificate, patch: pytest.MonkeyPatch
) -> Mapping[str, int]:
    """The ports of servers that show certificates they should not; all but one have an authority that is trusted."""
    made = {}
    for name in ("wrong name", "wrong authority", "expired"):
        (path / name).mkdir()
        made[name] = expired(path / name) if name == "expired" else make_certificate(path / name, "DNS:other.example")
    trusted = [certificate, made["wrong name"], made["expired"]]
    (path / "trusted.pem").write_text("".join(one.cert.read_text() for one in trusted))
    patch.setenv("SSL_CERT_FILE", str(path / "trusted.pem"))
    return {name: stack.enter_context(impostor(one)) for name, one in made.items()}


def front_of(row: Row, fronts: Fronts, dovecot: Dovecot, shown: Mapping[str, int]) -> Front:
    """What stands between the account and the server that it will find in the end."""
    target = (
        dovecot.pop3_port if row.protocol == "pop3" else dovecot.tls_port if row.security == "tls" else dovecot.port
    )
    fault: Fault = Leads(shown[row.fault]) if isinstance(row.fault, str) else row.fault
    return fronts.open(target, fault, is_pop3=row.protocol == "pop3")


def account_of(world: World, name: str, row: Row, front: Front) -> dict[str, object]:
    """The account that meets this fault."""
    host = "127.0.0.1" if row.security == "none" else "localhost"
    account = world.account(name, world.fresh(name), smtp=None)
    block = account.pop("imap") | {"host": host, "port": front.port, "security": row.security}
    more = {"after_fetch": "delete"} if row.protocol == "pop3" else {}
    return account | {"protocol": row.protocol, row.protocol: block | more}


def played(world: World, fronts: Fronts, met: Mapping[str, Front], neighbours: Mapping[str, str]) -> Aftermath:
    """Faults, then none."""
    names = {slug(name): name for name in ROWS}
    addresses = [world.fresh(name) for name in names]
    deliver(world.dovecot, addresses, FIRST, "first")
    limits = {f"{name}_seconds": seconds for name, seconds in LIMITS.items()}
    with watched(world, **limits) as engine, customers(world.dovecot, neighbours.values()) as written:
        wait_for_each(names, engine.steps)
        deliver(world.dovecot, addresses, 1, "second")
        wait_for_each(names, lambda name: ROWS[names[name]].condition.value in engine.conditions(name))
        fine = [name for name in names if ROWS[names[name]].condition is Condition.OK]
        wait_for_each(fine, lambda name: engine.stored().get(name) == Stored(*[FIRST + 1] * 3))
        at, count = written.copy(), engine.stored()
        until(lambda: all(engine.stored()[n].mails > count[n].mails for n in neighbours), "the neighbours are served")
        during = {name: engine.steps(name) for name in names}
        near = engine.steps(*neighbours)
        for front in met.values():
            fronts.mend(front)
        engine.pass_time(AN_HOUR)
        deliver(world.dovecot, addresses, 1, "third")
        wait_for_each(names, lambda name: engine.stored().get(name) == ALL)
        stored = engine.stored()
    well = {name: told(world, world.fresh(name), row) for name, row in zip(names, ROWS.values(), strict=True)}
    had = {name: at[address] for name, address in neighbours.items()}
    return Aftermath(during, near, stored, well, had)


def told(world: World, address: str, row: Row) -> int:
    """How many mails the server was told of: those that are seen, or those that are gone."""
    if row.protocol == "pop3":
        return ALL.mails - len(world.dovecot.messages(address))
    return len(world.seen(address))


@pytest.mark.parametrize("row", TABLE)
def test_a_fault_is_named_delays_no_neighbour_and_needs_no_restart_once_it_ends(aftermath: Aftermath, row: Row) -> None:
    name = slug(next(one for one, of in ROWS.items() if of is row))
    errors = [one for one in aftermath.during[name] if one.line.error is not None]
    expected = f"{row.condition.value}: "
    assert [
        e for e in (str(one.line.error) for one in errors) if not e.startswith(expected) or row.words not in e
    ] == []
    assert bool(errors) is (row.condition is not Condition.OK)
    assert not row.waits or len(errors) == 1
    for hung in errors if row.hangs else ():
        assert [n for n in aftermath.neighbours if n.line.taken and hung.began < n.began and n.ended < hung.ended]
    assert aftermath.stored[name] == ALL
    assert aftermath.told[name] == ALL.mails


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_what_neighbours_got_meanwhile_was_stored_once_and_nothing_was_wrong(aftermath: Aftermath, name: str) -> None:
    assert [one.line.error for one in aftermath.neighbours if one.line.error is not None] == []
    stored = aftermath.stored[name]
    assert stored.mails == stored.different
    assert stored.mails >= aftermath.written[name] > 0
