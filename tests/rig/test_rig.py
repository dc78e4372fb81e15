"""The rig does what the other tests rely on."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable

import pytest

from tests.rig.dovecot import Dovecot
from tests.rig.scripted import CLOSE, Script, ScriptedServer
from tests.rig.smtp_server import SmtpServer

Addresses = Callable[[str], str]
MAIL = b"Subject: x\r\n\r\n.hello\r\n"


def test_the_rigs_own_fetches_are_not_counted(dovecot: Dovecot, fresh_address: Addresses) -> None:
    user = fresh_address("support")
    dovecot.deliver(user, MAIL)
    assert [mail.raw for mail in dovecot.messages(user)] == [MAIL]
    assert dovecot.bodies_fetched(user) == 0


def test_bumping_uidvalidity_keeps_the_mails(dovecot: Dovecot, fresh_address: Addresses) -> None:
    user = fresh_address("support")
    dovecot.deliver(user, MAIL, seen=True)
    before = dovecot.uidvalidity(user)
    dovecot.bump_uidvalidity(user)
    assert dovecot.uidvalidity(user) != before
    assert [(mail.raw, mail.flags) for mail in dovecot.messages(user)] == [(MAIL, frozenset({"\\Seen"}))]


def test_an_accepted_mail_is_recorded_and_lies_in_the_recipients_mailbox(
    dovecot: Dovecot, smtp_server: SmtpServer, fresh_address: Addresses
) -> None:
    user = fresh_address("expert")
    tagged = user.replace("@", "+token@")
    with smtplib.SMTP("127.0.0.1", smtp_server.port) as client:
        client.sendmail("from@acme.example", [tagged], MAIL)
    (envelope,) = smtp_server.envelopes(user)
    assert (envelope.mail_from, envelope.rcpt_tos, envelope.data) == ("from@acme.example", (tagged,), MAIL)
    (mail,) = dovecot.messages(user)
    assert mail.raw == b"Return-Path: <from@acme.example>\r\nDelivered-To: " + tagged.encode() + b"\r\n" + MAIL


def test_an_address_behaves_as_told_until_told_otherwise(smtp_server: SmtpServer, fresh_address: Addresses) -> None:
    user = fresh_address("expert")
    smtp_server.behave(user, "tempfail")
    with smtplib.SMTP("127.0.0.1", smtp_server.port) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("from@acme.example", [user], MAIL)
        smtp_server.behave(user, None)
        client.sendmail("from@acme.example", [user], MAIL)
    assert len(smtp_server.envelopes(user)) == 1


def test_a_script_answers_in_order_and_then_keeps_the_last_answer() -> None:
    script = Script(b"* OK\r\n", [("NOOP", b"{tag} NO\r\n"), ("NOOP", b"{tag} OK\r\n"), ("LOGOUT", CLOSE)])
    with ScriptedServer(script) as server, socket.create_connection((server.host, server.port), 5) as client:
        client.sendall(b"a NOOP\r\nb noop\r\nc NOOP\r\nd LOGOUT\r\n")
        said = b"".join(iter(lambda: client.recv(1000), b""))
    assert said == b"* OK\r\na NO\r\nb OK\r\nc OK\r\n"


def test_without_a_script_connections_are_refused() -> None:
    with ScriptedServer(None) as server, pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), 5)
