"""The POP3 door: lists by UIDL, fetches by RETR and deletes by DELE and QUIT; decides neither what to take nor when."""

from __future__ import annotations

import contextlib
import poplib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.core.fetch import Fetched, Listed, Listing
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Acknowledged, Limits
from reconciler.protocol.connection import cut
from reconciler.protocol.pop3_failure import answer_of, coded_failure, translated
from reconciler.protocol.pop3_login import (
    Capabilities,
    ask,
    ask_for_lines,
    capabilities,
    drop,
    logged_in_client,
    seconds_between_logins,
)
from reconciler.protocol.pop3_settings import Pop3AfterFetch, Pop3Settings

_NUMBERED = re.compile(rb"^\s*([0-9]{1,10})\s+(\S+)")
_GOODBYE_SECONDS = 1.0
_UNKNOWN_SIZE = 64 * 1024 * 1024
_MORE_THAN_SAID = 1024 * 1024
_PIECE = 64 * 1024
_ENDS = (b".\r\n", b".\n")


def open_session(settings: Pop3Settings, secret: Secret, limits: Limits) -> Pop3Session:
    """Open a session (see `base.Session`); it shows the mailbox as it was then, and locks it until it ends.

    Raises Refused(TLS_FAILED, AUTH_FAILED, PROTOCOL_ERROR, ACKNOWLEDGE_REFUSED) or Trouble(UNREACHABLE, TIMED_OUT,
    TLS_FAILED, THROTTLED, PROTOCOL_ERROR).
    """
    where = f"POP3 server {settings.host}:{settings.effective_port}"
    client = logged_in_client(settings, secret, limits, where)
    try:
        with translated(where, "ask for capabilities"):
            known = capabilities(client)
        _demand_keeping(settings, known, where)
    except BaseException:
        drop(client)
        raise
    return Pop3Session(client, known, where)


def _demand_keeping(settings: Pop3Settings, known: Capabilities | None, where: str) -> None:
    # RFC 2449 section 6.7: after a QUIT such a server may remove whatever was retrieved.
    if settings.after_fetch is Pop3AfterFetch.KEEP and list((known or {}).get("EXPIRE", ()))[:1] == ["0"]:
        raise Refused(
            Condition.ACKNOWLEDGE_REFUSED,
            f"{where} keeps no mail that was fetched (EXPIRE 0); set after_fetch: delete or use another protocol",
        )


@dataclass(frozen=True, slots=True)
class _Survey:
    """The mailbox as this session shows it: UID → message number and size; UIDs that several mails have."""

    numbers: Mapping[str, int]
    sizes: Mapping[str, int | None]
    ambiguous: frozenset[str]


class Pop3Session:
    """One logged-in POP3 connection; implements `base.Session`. UIDs are UIDLs, in the folder ""."""

    copier = None

    def __init__(self, client: poplib.POP3, known: Capabilities | None, where: str) -> None:
        self._client, self._capabilities, self._where = client, known, where
        self._survey: _Survey | None = None
        self._retrieved = False
        self._deleted: set[str] = set()
        self._over = False

    @property
    def capabilities(self) -> frozenset[str]:
        """See `base.Session.capabilities`."""
        return frozenset(self._capabilities or ())

    @property
    def usable(self) -> bool:
        """See `base.Session.usable`."""
        return not self._over

    @property
    def login_delay(self) -> float:
        """See `base.Session.login_delay`."""
        return seconds_between_logins(self._capabilities)

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Listing:
        """See `base.Session.list`; `since` means nothing here. Raises Refused(PROTOCOL_ERROR) without UIDL."""
        survey = self._surveyed()
        mails = tuple(
            Listed(uid, survey.sizes[uid])
            for uid, _ in sorted(survey.numbers.items(), key=lambda item: item[1])
            if uid not in known
        )
        return Listing(folder, 0, mails, survey.sizes, survey.ambiguous, dated=False)

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Iterator[Fetched]:
        """See `base.Session.fetch`; mails that did not come whole are named in an error after all others were given."""
        missing: list[str] = []
        for uid in uids:
            with self._doing("fetch"):
                raw = self._retrieve(uid)
            if raw is None:
                continue
            if raw.strip():
                yield Fetched(listing.folder, listing.uidvalidity, uid, raw)
            else:
                missing.append(uid)
        if missing:
            names = ", ".join(missing)
            raise Trouble(Condition.PROTOCOL_ERROR, f"{self._where} gave no content for the mails with UIDL {names}")

    def heads(self, listing: Listing, uids: Sequence[str]) -> Mapping[str, bytes]:
        """See `base.Session.heads`; by TOP, which a server may not know."""
        survey, found = self._surveyed(), dict[str, bytes]()
        for uid in uids:
            number = survey.numbers.get(uid)
            if number is None or uid in self._deleted:
                continue
            with self._doing("fetch headers"):
                head = self._body(f"TOP {number} 0", _UNKNOWN_SIZE)
            if head is not None:
                found[uid] = head
        return found

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Acknowledged:
        """See `base.Session.acknowledge`; a deletion is certain only after `finish` (RFC 1939 section 6)."""
        if how != Pop3AfterFetch.DELETE:
            return Acknowledged(done=frozenset(uids))
        survey = self._surveyed()
        present = frozenset(uid for uid in uids if uid in survey.numbers)
        refused = survey.ambiguous.intersection(uids)
        with self._doing("delete"):
            to_delete = sorted(present - self._deleted, key=lambda uid: survey.numbers[uid])
            refused |= {uid for uid in to_delete if not self._marked(survey.numbers[uid], uid)}
        return Acknowledged(frozenset(uids) - present - refused, refused)

    def finish(self) -> frozenset[str]:
        """QUIT, by which the server removes what was deleted; see `base.Session.finish`."""
        if self._over:
            return frozenset()
        self._over = True
        try:
            ask(self._client, "QUIT")
        except poplib.error_proto as error:
            text = answer_of(error)
            if text is not None and self._deleted:
                message = f"{self._where} may not have deleted all stored mails ({text}); it is told again"
                raise Trouble(Condition.ACKNOWLEDGE_REFUSED, message) from error
            return frozenset()
        except (OSError, AttributeError):
            # Whether the server has deleted anything is for the next listing to tell.
            return frozenset()
        finally:
            drop(self._client)
        return frozenset(self._deleted)

    def close(self) -> None:
        """See `base.Session.close`: QUIT only if nothing was retrieved, for a server may remove what was."""
        if not self._over and not self._retrieved and not self._deleted:
            with contextlib.suppress(Exception):
                self._client.sock.settimeout(_GOODBYE_SECONDS)
                ask(self._client, "QUIT")
        self._over = True
        drop(self._client)

    def abort(self) -> None:
        """See `base.Session.abort`."""
        self._over = True
        cut(self._client.sock)

    @contextlib.contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        if self._over:
            raise Trouble(Condition.UNREACHABLE, f"{self._where}: the session is over; could not {what}")
        try:
            with translated(self._where, what):
                yield
        except Trouble:
            self._over = True
            raise

    def _surveyed(self) -> _Survey:
        if self._survey is None:
            with self._doing("list"):
                self._survey = self._look()
        return self._survey

    def _look(self) -> _Survey:
        names = [(number, name.decode("latin-1")) for number, name in self._table("UIDL")]
        sizes = {number: int(size) for number, size in self._table("LIST") if size.isdigit()}
        count = Counter(name for _, name in names)
        twice = Counter(number for number, _ in names)
        if any(times > 1 for times in twice.values()):
            raise Trouble(Condition.PROTOCOL_ERROR, f"{self._where} gives one mail two UIDLs; nothing is taken")
        numbers = {name: number for number, name in names if count[name] == 1}
        return _Survey(
            numbers,
            {name: sizes.get(number) for name, number in numbers.items()},
            frozenset(name for name, times in count.items() if times > 1),
        )

    def _table(self, command: str) -> Sequence[tuple[int, bytes]]:
        """The lines "number word" of a multi-line answer. A line of another form makes the whole worthless."""
        try:
            lines = ask_for_lines(self._client, command)
        except poplib.error_proto as error:
            raise self._no_table(command, error) from error
        rows = [(_NUMBERED.match(line), line) for line in lines]
        if any(found is None for found, _ in rows):
            raise Trouble(Condition.PROTOCOL_ERROR, f"{self._where} gave an answer to {command} that cannot be read")
        return [(int(found[1]), found[2]) for found, _ in rows if found is not None]

    def _no_table(self, command: str, error: poplib.error_proto) -> Exception:
        text = answer_of(error)
        offered = "UIDL" in (self._capabilities or {})
        if text is None or command != "UIDL" or offered or coded_failure(text, self._where) is not None:
            return error
        return Refused(
            Condition.PROTOCOL_ERROR,
            f"{self._where} does not know UIDL ({text}), without which mails would be fetched twice or lost; "
            "fetch this mailbox over another protocol",
        )

    def _retrieve(self, uid: str) -> bytes | None:
        """One mail; None if it has vanished, empty if the server has it and does not give it."""
        survey = self._surveyed()
        number = survey.numbers.get(uid)
        if number is None or uid in self._deleted:
            return None
        size = survey.sizes[uid]
        self._retrieved = True
        raw = self._body(f"RETR {number}", _UNKNOWN_SIZE if size is None else 2 * size + _MORE_THAN_SAID)
        if raw is None:
            return b"" if self._answers(f"UIDL {number}") else None
        return raw

    def _body(self, command: str, at_most: int) -> bytes | None:
        """A multi-line answer's bytes as they came, without dot-stuffing; None for an -ERR that has no code.

        Read here, for poplib takes no line of more than 2,048 bytes and changes line ends.
        """
        if not self._answers(command):
            return None
        body, begins = bytearray(), True
        while (piece := self._client.file.readline(_PIECE)) not in _ENDS or not begins:
            if not piece:
                raise poplib.error_proto("-ERR EOF")
            if len(body) > at_most:
                raise Trouble(Condition.PROTOCOL_ERROR, f"{self._where} sends a mail without end")
            body += piece[1:] if begins and piece.startswith(b".") else piece
            begins = piece.endswith(b"\n")
        return bytes(body)

    def _answers(self, command: str) -> bool:
        """Whether the server says +OK. Raises what an -ERR with a response code means."""
        try:
            ask(self._client, command)
        except poplib.error_proto as error:
            text = answer_of(error)
            failure = coded_failure(text, self._where) if text is not None else error
            if failure is not None:
                raise failure from error
            return False
        return True

    def _marked(self, number: int, uid: str) -> bool:
        if not self._answers(f"DELE {number}"):
            return False
        self._deleted.add(uid)
        return True
