"""The programs that are measured beside this one, from Debian, each set up to store every mail durably and keep it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Way:
    """How the server is reached: `port` is for the protocol and security of the run."""

    host: str
    port: int
    tls: bool
    certificate: Path
    password: str


Setup = Callable[[list[str], Way, Path], list[str]]
"""Mailboxes, way and an empty work directory to the command line; mails go into `work/mail/USER/`."""


def mbsync(users: list[str], way: Way, work: Path) -> list[str]:
    """isync: one channel a mailbox; fsync is its default."""
    tls = f"SSLType IMAPS\nCertificateFile {way.certificate}\nSystemCertificates no" if way.tls else "SSLType None"
    parts = []
    for user in users:
        (work / "mail" / user).mkdir(parents=True)
        parts.append(
            f"IMAPAccount {user}\nHost {way.host}\nPort {way.port}\nUser {user}\nPass {way.password}\nAuthMechs LOGIN\n"
            f"{tls}\n\nIMAPStore {user}-far\nAccount {user}\n\nMaildirStore {user}-near\nPath {work}/mail/{user}/\n"
            f"Inbox {work}/mail/{user}/INBOX\n\nChannel {user}\nFar :{user}-far:\nNear :{user}-near:\nPatterns INBOX\n"
            f"Sync PullNew\nCreate Near\nSyncState *\n\n"
        )
    return ["mbsync", "-q", "-c", _written(work / "mbsyncrc", "".join(parts)), "-a"]


def _fetchmail(protocol: str) -> Setup:
    def setup(users: list[str], way: Way, work: Path) -> list[str]:
        tls = f'ssl sslcertck sslcertfile "{way.certificate}"' if way.tls else "sslproto ''"
        uidl = "uidl " if protocol == "pop3" else ""
        parts = []
        for user in users:
            _maildir(work / "mail" / user)
            parts.append(
                f'poll {user} via {way.host} protocol {protocol} port {way.port} auth password {uidl}user "{user}" '
                f'password "{way.password}" is root here {tls} keep fetchall norewrite '
                f'mda "{work.parent}/deliver {work}/mail/{user}"\n'
            )
        command = ["fetchmail", "-f", _written(work / "fetchmailrc", "".join(parts)), "--nodetach", "--nosyslog", "-s"]
        return [*command, "-i", str(work / "ids"), "--pidfile", str(work / "pid")]

    return setup


def _getmail(protocol: str) -> Setup:
    def setup(users: list[str], way: Way, work: Path) -> list[str]:
        kind = f"Simple{protocol.upper()}{'SSL' if way.tls else ''}Retriever"
        trust = f"ca_certs = {way.certificate}\n" if way.tls else ""
        command = ["getmail", "-q", "--getmaildir", str(work)]
        for user in users:
            _maildir(work / "mail" / user)
            text = (
                f"[retriever]\ntype = {kind}\nserver = {way.host}\nport = {way.port}\nusername = {user}\n"
                f"password = {way.password}\n{trust}[destination]\ntype = Maildir\npath = {work}/mail/{user}/\n"
                "[options]\nread_all = true\ndelete = false\nverbose = 0\ndelivered_to = false\nreceived = false\n"
            )
            command += ["-r", _written(work / f"{user}.rc", text)]
        return command

    return setup


def mpop(users: list[str], way: Way, work: Path) -> list[str]:
    """POP3, pipelined where the server says so; fsync is its default."""
    tls = f"tls on\ntls_starttls off\ntls_trust_file {way.certificate}" if way.tls else "tls off"
    parts = []
    for user in users:
        _maildir(work / "mail" / user)
        parts.append(
            f"account {user}\nhost {way.host}\nport {way.port}\nuser {user}\npassword {way.password}\nauth user\n"
            f"{tls}\ndelivery maildir {work}/mail/{user}\nkeep on\nuidls_file {work}/uidl.{user}\nreceived_header off\n"
        )
    return ["mpop", "-C", _written(work / "mpoprc", "".join(parts)), "-a", "-q"]


PEERS: Mapping[str, Mapping[str, Setup]] = {
    "imap": {"mbsync": mbsync, "fetchmail": _fetchmail("imap"), "getmail": _getmail("imap")},
    "pop3": {"mpop": mpop, "fetchmail": _fetchmail("pop3"), "getmail": _getmail("pop3")},
}


def missing() -> list[str]:
    """The Debian packages that are not installed."""
    programs = {"mbsync": "isync", "fetchmail": "fetchmail", "getmail": "getmail6", "mpop": "mpop", "cc": "gcc"}
    return [package for program, package in programs.items() if shutil.which(program) is None]


def delivered(work: Path) -> int:
    """How many mails lie in the Maildirs."""
    return sum(1 for place in ("new", "cur") for _ in (work / "mail").glob(f"**/{place}/*"))


def _maildir(path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return str(path)
