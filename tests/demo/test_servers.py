"""The demo's servers as real clients meet them: delivery, refusal, bounce, and the IMAP commands a fetch needs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from imapclient import IMAPClient

pytest.importorskip("pymap")
pytest.importorskip("aiosmtpd")

from reconciler.core.errors import Invalid, Permanent, Unavailable
from reconciler.demo.envelope import Envelope, read_journal, to_line
from reconciler.demo.servers import DemoServers

pytestmark = pytest.mark.xdist_group("demo-servers")
"""In one process: what its tests share takes long to make."""

PASSWORD = 'two words, "quoted"'
GONE = "gone@expert.example"
CUSTOMER = "customer@home.example"
MAIL = b"From: customer@home.example\r\nMessage-ID: <m1@home.example>\r\nSubject: Hello\r\n\r\nBody\r\n"


ADDRESSES = [f"box{number}@acme.example" for number in range(40)]
BOXES = iter(ADDRESSES)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServers]:
    users = [CUSTOMER, "support@acme.example", "Agent@acme.example", *ADDRESSES]
    folder = tmp_path_factory.mktemp("demo")
    with DemoServers(folder, users, PASSWORD, unknown_after_accept=[GONE]) as running:
        yield running


@pytest.fixture
def box(servers: DemoServers) -> str:
    """An address whose mailbox no other test uses."""
    return next(BOXES)


@contextlib.contextmanager
def client(servers: DemoServers, address: str) -> Iterator[IMAPClient]:
    with IMAPClient("127.0.0.1", servers.imap_port, ssl=False, timeout=5) as imap:
        imap.login(address, PASSWORD)
        imap.select_folder("INBOX")
        yield imap


def parts(raw: bytes) -> list[Message]:
    return [part for part in message_from_bytes(raw).walk() if not part.is_multipart()]


def test_a_mail_arrives_below_the_headers_of_the_last_server(servers: DemoServers, box: str) -> None:
    servers.send(CUSTOMER, box, MAIL)
    [raw] = servers.mailbox(box)
    assert raw.endswith(b"\r\n" + MAIL)
    names = [name for name, _ in message_from_bytes(raw).items()]
    assert names == ["Return-Path", "Delivered-To", "Received", "From", "Message-ID", "Subject"]


def test_a_subaddress_finds_the_mailbox_and_stays_in_delivered_to(servers: DemoServers, box: str) -> None:
    recipient = box.replace("@", "+tOken234@")
    servers.send("", recipient, MAIL)
    mail = message_from_bytes(servers.mailbox(box)[0])
    assert mail["Delivered-To"] == recipient
    assert mail["Return-Path"] == "<>"


def test_the_case_of_an_address_does_not_matter_to_delivery(servers: DemoServers) -> None:
    servers.send(CUSTOMER, "AGENT@Acme.Example", MAIL)
    assert len(servers.mailbox("Agent@acme.example")) == 1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"Subject: \xff\xfe\r\n\r\n\x80\x00 binary\r\n", id="bytes outside ASCII"),
        pytest.param(b"Subject: dots\r\n\r\n.\r\n..two\r\n", id="lines of dots"),
        pytest.param(b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nopen\r\n', id="open multipart"),
        pytest.param(b"\r\nno headers\r\n", id="no headers"),
    ],
)
def test_bytes_come_through_unchanged(servers: DemoServers, box: str, raw: bytes) -> None:
    servers.send(CUSTOMER, box, raw)
    assert servers.mailbox(box)[0].endswith(b"\r\n" + raw)


def test_a_mail_without_a_body_keeps_its_last_header(servers: DemoServers, box: str) -> None:
    servers.send(CUSTOMER, box, b"Subject: only this\n")
    assert servers.mailbox(box)[0].endswith(b"\r\nSubject: only this\r\n\r\n")


def test_reading_a_mailbox_marks_nothing_seen(servers: DemoServers, box: str) -> None:
    servers.send(CUSTOMER, box, MAIL)
    servers.mailbox(box)
    with client(servers, box) as imap:
        assert len(imap.search("UNSEEN")) == 1


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        pytest.param("support@acme.example", "Elsewhere", id="no such folder"),
        pytest.param("stranger@acme.example", "INBOX", id="no such user"),
    ],
)
def test_what_is_not_there_is_not_empty(servers: DemoServers, address: str, folder: str) -> None:
    with pytest.raises(Invalid, match=address):
        servers.mailbox(address, folder)


def test_an_unknown_recipient_of_the_refusing_domain_gets_550_and_no_envelope(servers: DemoServers) -> None:
    before = servers.envelopes()
    with pytest.raises(Permanent, match=r"550 5\.1\.1 <who@nowhere\.example>"):
        servers.send(CUSTOMER, "who@nowhere.example", MAIL)
    assert servers.envelopes() == before


@pytest.mark.parametrize("recipient", [GONE, "never-heard-of@other.example"], ids=["listed", "any other domain"])
def test_an_unknown_recipient_is_accepted_and_bounces_to_the_envelope_sender(
    servers: DemoServers, box: str, recipient: str
) -> None:
    sender = box.replace("@", "+token@")
    servers.send(sender, recipient, MAIL)
    assert servers.envelopes()[-1] == Envelope(sender, (recipient,), MAIL)
    [raw] = servers.mailbox(box)
    bounce = message_from_bytes(raw)
    assert (bounce["Return-Path"], bounce["Delivered-To"], bounce["To"]) == ("<>", sender, sender)
    assert bounce.get_content_type() == "multipart/report"
    assert bounce.get_param("report-type") == "delivery-status"
    _text, about_message, about_recipient, headers = parts(raw)
    assert about_message["Reporting-MTA"] == "dns; mx.demo.example"
    assert about_recipient["Final-Recipient"] == f"rfc822; {recipient}"
    assert (about_recipient["Action"], about_recipient["Status"]) == ("failed", "5.1.1")
    assert headers.get_content_type() == "text/rfc822-headers"
    assert message_from_bytes(headers.get_payload(decode=True))["Message-ID"] == "<m1@home.example>"  # type: ignore[arg-type]


def test_a_bounce_of_hostile_headers_is_delivered(servers: DemoServers, box: str) -> None:
    servers.send(box, GONE, b"Subject: \xff\xfe caf\xc3\xa9\r\nnot a header\r\n\r\n\x00\r\n")
    assert b"Subject: \xff\xfe caf\xc3\xa9\r\nnot a header\r\n" in servers.mailbox(box)[0]


def test_the_null_sender_is_an_empty_address_also_where_nothing_can_be_delivered(servers: DemoServers) -> None:
    servers.send("", GONE, MAIL)
    assert servers.envelopes()[-1] == Envelope("", (GONE,), MAIL)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_user_may_authenticate_to_send_and_several_recipients_get_one_envelope(
    servers: DemoServers, box: str, mechanism: str
) -> None:
    with smtplib.SMTP("127.0.0.1", servers.smtp_port, timeout=5) as smtp:
        smtp.ehlo()
        assert mechanism in smtp.esmtp_features["auth"]
        smtp.esmtp_features["auth"] = mechanism
        smtp.login(box, PASSWORD)
        refused = smtp.sendmail("support@acme.example", [box, "x@nowhere.example", GONE], MAIL)
    assert list(refused) == ["x@nowhere.example"]
    assert servers.envelopes()[-1] == Envelope("support@acme.example", (box, GONE), MAIL)
    assert len(servers.mailbox(box)) == 1


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param(CUSTOMER, "wrong", id="wrong password"),
        pytest.param("stranger@acme.example", "pass", id="unknown user"),
    ],
)
def test_a_wrong_login_is_refused_by_both_servers(servers: DemoServers, user: str, password: str) -> None:
    with (
        smtplib.SMTP("127.0.0.1", servers.smtp_port, timeout=5) as smtp,
        pytest.raises(smtplib.SMTPAuthenticationError),
    ):
        smtp.login(user, password)
    with IMAPClient("127.0.0.1", servers.imap_port, ssl=False, timeout=5) as imap, pytest.raises(IMAPClient.Error):
        imap.login(user, password)


def test_imap_searches_and_fetches_without_marking(servers: DemoServers, box: str) -> None:
    for _ in range(3):
        servers.send(CUSTOMER, box, MAIL)
    with client(servers, box) as imap:
        first, second, third = imap.search("ALL")
        assert imap.search(["UID", f"{second}:*"]) == [second, third]
        mails = imap.fetch([first], ["BODY.PEEK[]", "INTERNALDATE", "RFC822.SIZE"])[first]
        assert mails[b"RFC822.SIZE"] == len(mails[b"BODY[]"])
        arrived = mails[b"INTERNALDATE"].astimezone(UTC)
        assert abs(datetime.now(UTC) - arrived) < timedelta(minutes=1)
        assert imap.search("UNSEEN") == [first, second, third]


def test_imap_marks_seen_expunges_by_uid_and_moves(servers: DemoServers, box: str) -> None:
    for _ in range(4):
        servers.send(CUSTOMER, box, MAIL)
    with client(servers, box) as imap:
        seen, expunged, moved, deleted = imap.search("ALL")
        imap.add_flags([seen], [b"\\Seen"])
        imap.add_flags([expunged, deleted], [b"\\Deleted"])
        imap.uid_expunge([expunged])
        imap.create_folder("Done")
        imap.move([moved], "Done")
    with client(servers, box) as imap:
        assert imap.search("SEEN") == [seen]
        assert imap.search("ALL") == [seen, deleted]
    assert len(servers.mailbox(box, "Done")) == 1


def test_an_idling_client_hears_of_new_mail(servers: DemoServers, box: str) -> None:
    with client(servers, box) as imap:
        imap.idle()
        servers.send(CUSTOMER, box, MAIL)
        assert (1, b"EXISTS") in imap.idle_check(timeout=5)
        imap.idle_done()
        assert len(imap.search("ALL")) == 1


def test_the_journal_keeps_every_byte_and_skips_a_line_being_written(tmp_path: Path) -> None:
    whole = Envelope("", ("a@acme.example", "b@acme.example"), bytes(range(256)) + b"\r\n")
    journal = tmp_path / "envelopes.jsonl"
    journal.write_text(to_line(whole) + to_line(whole)[:-1], encoding="ascii")
    assert read_journal(journal) == [whole]


def test_a_second_start_begins_empty_and_the_ports_close_at_the_end(tmp_path: Path) -> None:
    for _ in range(2):
        with DemoServers(tmp_path, [CUSTOMER], PASSWORD) as servers:
            assert (servers.envelopes(), servers.mailbox(CUSTOMER)) == ([], [])
            servers.send(CUSTOMER, CUSTOMER, MAIL)
            idle = socket.create_connection(("127.0.0.1", servers.imap_port), timeout=5)
        with idle:
            wait_for_end(idle)
        with pytest.raises(Unavailable):
            servers.mailbox(CUSTOMER)
        with pytest.raises(Unavailable):
            servers.send(CUSTOMER, CUSTOMER, MAIL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["envelopes.jsonl", "servers.log"]
    assert (tmp_path / "servers.log").read_text() == ""


def test_servers_that_cannot_start_say_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "envelopes.jsonl").mkdir()
    with (
        pytest.raises(Unavailable, match=r"servers\.log"),
        DemoServers(tmp_path, [CUSTOMER], PASSWORD),
    ):
        pass
    assert "IsADirectoryError" in (tmp_path / "servers.log").read_text()


PARENT = """
import json, sys
from pathlib import Path
from reconciler.demo.servers import DemoServers
with DemoServers(Path(sys.argv[1]), ["a@acme.example"], "secret") as servers:
    print(json.dumps([servers.imap_port, servers.smtp_port]), flush=True)
    sys.stdin.read()
"""


def test_the_servers_die_with_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        ports = json.loads(parent.stdout.readline())
        connections = [socket.create_connection(("127.0.0.1", port), timeout=5) for port in ports]
        os.kill(parent.pid, signal.SIGKILL)
    for connection in connections:
        with connection:
            wait_for_end(connection)
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def wait_for_end(connection: socket.socket) -> None:
    """Read until the server hangs up; the socket's timeout fails the test."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
