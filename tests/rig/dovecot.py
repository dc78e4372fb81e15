"""A private Dovecot on 127.0.0.1 where any user name logs in with one password; knows nothing of the program."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from imapclient import IMAPClient

from tests.rig.certificate import Certificate

INSTALL = "Dovecot is missing; run: sudo apt-get install -y dovecot-imapd dovecot-pop3d"

_CONFIG = """
base_dir = {run}/base
state_dir = {run}/state
log_path = {run}/dovecot.log
info_log_path = {run}/info.log
login_log_format_elements = user=<%u> port=%a session=<%{{session}}>
mail_log_prefix = "%s(%u)<%{{session}}>: "
imap_logout_format = bodies=%{{fetch_body_count}} headers=%{{fetch_hdr_count}}
pop3_logout_format = retr=%{{retr_count}} dele=%{{deleted_count}}
protocols = {protocols}
listen = 127.0.0.1
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
auth_username_chars =
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
login_trusted_networks = 127.0.0.0/8
mail_max_userip_connections = 1000
mail_location = maildir:~/Maildir
mail_fsync = never
maildir_copy_with_hardlinks = yes
first_valid_uid = 1
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {run}/oauth2.conf.ext
}}
passdb {{
  driver = static
  args = password={password}
  mechanisms = plain login
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  inet_listener own {{
    port = {own}
  }}
  service_count = 0
  process_limit = 1
  {chroot}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
  {chroot}
}}
service auth {{
  unix_listener auth-userdb {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
{pop3_services}
"""

_OAUTH = """
tokeninfo_url = http://127.0.0.1:{port}/tokeninfo?access_token=
username_attribute = username
active_attribute = active
active_value = true
"""

_POP3 = """
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  service_count = 0
  process_limit = 1
  {chroot}
}}
"""

WITHOUT_MOVE = """
protocol imap {
  imap_capability = IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ UIDPLUS
}
"""
"""Settings of a server that copies and deletes where others move."""


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail as a mailbox holds it."""

    uid: int
    flags: frozenset[str]
    raw: bytes
    internal_date: datetime


def _flags(found: tuple[bytes, ...]) -> frozenset[str]:
    return frozenset(flag.decode() for flag in found) - {"\\Recent"}


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(INSTALL)
    return found


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


_TRIES = 3


def wait_until(fact: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Return once `fact()` is true; raise AssertionError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.01)


class Dovecot:
    """One Dovecot. A user name is an e-mail address; every one exists; a login fails only by a wrong password.

    It asks a token server on `tokeninfo_port`, if one runs there, whether an access token is good and whose it is.
    """

    password = "rig-password"
    host = "localhost"

    def __init__(self, directory: Path, certificate: Certificate, settings: str = "") -> None:
        """`directory` must be reachable for user `mail` when run as root, and its path short (sockets live in it).

        `settings` are further lines of its configuration, which count last.
        """
        self._settings = settings
        self.directory = directory
        self.certificate = certificate
        self.has_pop3 = Path("/usr/lib/dovecot/pop3").exists()
        self._take_ports()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Dovecot:
        """Start and wait until it greets; on other ports if somebody has taken one of its own in the meantime."""
        for _ in range(_TRIES - 1):
            try:
                return self._start()
            except (AssertionError, RuntimeError):
                self.stop()
                self._take_ports()
        return self._start()

    def _take_ports(self) -> None:
        ports = _free_ports(6)
        self.port, self.tls_port, self.own_port, self.pop3_port, self.pop3_tls_port, self.tokeninfo_port = ports

    def _start(self) -> Dovecot:
        program = _program("dovecot")
        for name in ("base", "state", "mail"):
            (self.directory / name).mkdir(exist_ok=True)
        config = self.directory / "dovecot.conf"
        config.write_text(self._config())
        (self.directory / "oauth2.conf.ext").write_text(_OAUTH.format(port=self.tokeninfo_port))
        command = [program, "-F", "-c", str(config)]
        with (self.directory / "stderr.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, f"Dovecot answers; see {self.directory}/dovecot.log", 30.0)
        return self

    def stop(self) -> None:
        """End it and every session."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"Dovecot ended at once: {(self.directory / 'stderr.log').read_text()}")
        try:
            with socket.create_connection(("127.0.0.1", self.own_port), 2) as connection:
                return connection.recv(4) == b"* OK"
        except OSError:
            return False

    def _config(self) -> str:
        if os.getuid() == 0:
            owner = pwd.getpwnam("mail")
            self._own(owner.pw_uid, owner.pw_gid)
            users = {"internal_user": "dovecot", "internal_group": "dovecot", "login_user": "dovenull", "chroot": ""}
        else:
            owner = pwd.getpwuid(os.getuid())
            group = grp.getgrgid(owner.pw_gid).gr_name
            users = {"internal_user": owner.pw_name, "internal_group": group, "login_user": owner.pw_name}
            users["chroot"] = "chroot ="
        pop3 = _POP3.format(pop3=self.pop3_port, pop3s=self.pop3_tls_port, chroot=users["chroot"])
        return (
            _CONFIG.format(
                run=self.directory,
                mail=self.directory / "mail",
                cert=self.certificate.cert,
                key=self.certificate.key,
                protocols="imap pop3" if self.has_pop3 else "imap",
                pop3_services=pop3 if self.has_pop3 else "",
                password=self.password,
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                imap=self.port,
                imaps=self.tls_port,
                own=self.own_port,
                **users,
            )
            + self._settings
        )

    def _own(self, uid: int, gid: int) -> None:
        self.directory.chmod(0o755)
        os.chown(self.directory / "mail", uid, gid)

    @property
    def pid(self) -> int:
        """The master process, above all others of this server."""
        assert self._process is not None
        return self._process.pid

    def client(self, user: str) -> IMAPClient:
        """A logged-in client of the rig's own; its fetches do not count in `bodies_fetched`."""
        client = IMAPClient("127.0.0.1", self.own_port, ssl=False, timeout=20)
        client._imap.debug = 0
        client.normalise_times = False
        client.login(user, self.password)
        return client

    def deliver(
        self, user: str, raw: bytes, *, folder: str = "INBOX", seen: bool = False, internal_date: datetime | None = None
    ) -> None:
        """Put a mail into a mailbox; line ends become CRLF."""
        with self.client(user) as client:
            client.append(folder, raw, flags=(b"\\Seen",) if seen else (), msg_time=internal_date)

    def messages(self, user: str, folder: str = "INBOX") -> list[StoredMail]:
        """What a folder holds now, by ascending UID; changes no flag."""
        with self.client(user) as client:
            client.select_folder(folder, readonly=True)
            found = client.fetch(client.search("ALL"), ["FLAGS", "BODY.PEEK[]", "INTERNALDATE"])
        return [
            StoredMail(uid, _flags(data[b"FLAGS"]), data[b"BODY[]"], data[b"INTERNALDATE"])
            for uid, data in sorted(found.items())
        ]

    def create_folder(self, user: str, folder: str) -> None:
        """Make a folder; its name is given as text."""
        with self.client(user) as client:
            client.create_folder(folder)

    def delete_folder(self, user: str, folder: str) -> None:
        """Remove a folder with its mails."""
        with self.client(user) as client:
            client.delete_folder(folder)

    def flag(self, user: str, uids: list[int], flag: str, folder: str = "INBOX") -> None:
        """Add a flag such as `\\Seen`, as another client of the mailbox would."""
        with self.client(user) as client:
            client.select_folder(folder)
            client.add_flags(uids, [flag.encode()])

    def expunge(self, user: str, uids: list[int], folder: str = "INBOX") -> None:
        """Remove mails for good, as another client of the mailbox would."""
        with self.client(user) as client:
            client.select_folder(folder)
            client.delete_messages(uids)
            client.uid_expunge(uids)

    def uidvalidity(self, user: str, folder: str = "INBOX") -> int:
        """The folder's UIDVALIDITY now."""
        with self.client(user) as client:
            return int(client.folder_status(folder, ["UIDVALIDITY"])[b"UIDVALIDITY"])

    def bump_uidvalidity(self, user: str, folder: str = "INBOX") -> None:
        """Make a folder forget its UIDs; the next session sees a new UIDVALIDITY and numbers from 1. Ends sessions."""
        before = self.uidvalidity(user, folder)
        self.kill_sessions(user)
        maildir = self.directory / "mail" / user / "Maildir" / ("" if folder == "INBOX" else f".{folder}")
        for pattern in ("dovecot-uidlist", "dovecot.index*"):
            for path in maildir.glob(pattern):
                path.unlink()
        assert self.uidvalidity(user, folder) != before

    def kill_sessions(self, user: str) -> None:
        """Cut every open session of a user, as a restart of the server does.

        A session that is about to begin is not known to be cut yet: it is tried again until none is left.
        """
        kick = [_program("doveadm"), "-c", str(self.directory / "dovecot.conf"), "kick", user]

        def none_is_left() -> bool:
            subprocess.run(kick, capture_output=True, timeout=20, check=False)
            until = time.monotonic() + 1.0
            while self._open_sessions(user) and time.monotonic() < until:
                time.sleep(0.01)
            return not self._open_sessions(user)

        wait_until(none_is_left, f"the sessions of {user} have ended", 30.0)

    def _log(self) -> str:
        path = self.directory / "info.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _logins(self, user: str) -> dict[str, int]:
        pattern = rf"imap-login: Info: Login: user=<{re.escape(user.lower())}>, port=(\d+), session=<([^>]+)>"
        return {session: int(port) for port, session in re.findall(pattern, self._log())}

    def _ended(self, user: str) -> dict[str, int]:
        pattern = rf"imap\({re.escape(user.lower())}\)<([^>]+)>: Info: .*bodies=(\d+)"
        return {session: int(count) for session, count in re.findall(pattern, self._log())}

    def _open_sessions(self, user: str) -> set[str]:
        return self._logins(user).keys() - self._ended(user).keys()

    def bodies_retrieved(self, user: str) -> int:
        """How many bodies were fetched over POP3; waits until the user's POP3 sessions have ended."""
        name = re.escape(user.lower())
        login, end = rf"pop3-login: Info: Login: user=<{name}>", rf"pop3\({name}\)<[^>]+>: Info: .*retr=(\d+)"
        wait_until(
            lambda: len(re.findall(login, self._log())) == len(re.findall(end, self._log())),
            f"the POP3 sessions of {user} have ended",
        )
        return sum(map(int, re.findall(end, self._log())))

    def pop3_logins(self, user: str) -> int:
        """How many POP3 logins were made as this user."""
        return len(re.findall(rf"pop3-login: Info: Login: user=<{re.escape(user.lower())}>", self._log()))

    def logins(self, user: str) -> int:
        """How many IMAP logins others than the rig have made as this user."""
        return sum(port != self.own_port for port in self._logins(user).values())

    def bodies_fetched(self, user: str) -> int:
        """How many bodies others than the rig have fetched over IMAP; waits until the user's sessions have ended."""
        # Logins and ends are told by processes of their own, so an end may stand in the log before its login.
        wait_until(lambda: self._logins(user).keys() == self._ended(user).keys(), f"the sessions of {user} have ended")
        # What ends only now is the rig's own last look.
        logins, ended = self._logins(user), self._ended(user)
        return sum(count for session, count in ended.items() if logins.get(session, self.own_port) != self.own_port)
