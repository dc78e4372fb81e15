"""The IMAP door: lists, fetches and acknowledges over one connection; decides neither what to take nor when."""

from __future__ import annotations

import contextlib
import imaplib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from imapclient import IMAPClient

from reconciler.core.fetch import Fetched, Listed, Listing, Mark
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Acknowledged, Limits
from reconciler.protocol.connection import cut, said
from reconciler.protocol.imap_answers import (
    asks_to_wait,
    fetched_by_uid,
    folder_argument,
    in_uid_order,
    listed,
    mark_of,
    uid_set,
)
from reconciler.protocol.imap_failure import throttled, translated, wait
from reconciler.protocol.imap_login import drop, logged_in_client
from reconciler.protocol.imap_settings import ImapAfterFetch, ImapSettings

_UIDS_PER_COMMAND = 500  # RFC 7162 section 4: command lines of at most 8192 octets
_UIDS_PER_SEARCH = 80_000  # imaplib takes no line of more than a million octets
_BYTES_PER_FETCH = 8 * 1024 * 1024
_UNKNOWN_SIZE = 1024 * 1024
_GOODBYE_SECONDS = 1.0


def open_session(settings: ImapSettings, secret: Secret, limits: Limits) -> ImapSession:
    """Open a session (see `base.Session`) that stays usable for many rounds of list, fetch and acknowledge.

    Raises Refused(TLS_FAILED, AUTH_FAILED) or Trouble(UNREACHABLE, TIMED_OUT, TLS_FAILED, THROTTLED, PROTOCOL_ERROR).
    """
    where = f"IMAP server {settings.host}:{settings.effective_port}"
    return ImapSession(logged_in_client(settings, secret, limits, where), settings, where)


class ImapSession:
    """One logged-in IMAP connection; implements `base.Session`, and `base.Copier` for servers without MOVE."""

    login_delay = 0.0

    def __init__(self, client: IMAPClient, settings: ImapSettings, where: str) -> None:
        self._client = client
        self._settings = settings
        self._where = where
        self._selected: tuple[str, int, bool] | None = None
        self._told_to_wait = False
        self._failed = False

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Listing:
        """See `base.Session.list`.

        Selects anew each time: as many round trips as NOOP, and it tells UIDVALIDITY and new mail for certain.
        After an answer that said [THROTTLED] although it was good, raises Trouble(THROTTLED).
        """
        if self._told_to_wait:
            raise throttled(self._where)
        with self._doing(f"list {folder}"):
            uidvalidity = self._select(folder, writable=self._is_acknowledged)
            following = self._number("UIDNEXT")
            unknown = in_uid_order(tuple(self._search(since, following).difference(known)))
            mails = tuple(mail for chunk in _in_groups(unknown) for mail in self._described(chunk))
        return Listing(folder, uidvalidity, mails, next_uid=following)

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Iterator[Fetched]:
        """See `base.Session.fetch`; a mail whose body came empty is named in an error after all others were given."""
        mails = {mail.uid: mail for mail in listing.mails}
        empty: tuple[str, ...] = ()
        for chunk in _by_size([mails.get(uid, Listed(uid)) for uid in in_uid_order(uids)]):
            with self._doing(f"fetch from {listing.folder}"):
                self._open(listing, writable=self._is_acknowledged)
                bodies = self._bodies([mail.uid for mail in chunk])
                empty += self._present([uid for uid, raw in bodies.items() if not raw])
            for mail in chunk:
                if raw := bodies.get(mail.uid):
                    yield Fetched(listing.folder, listing.uidvalidity, mail.uid, raw, mail.internal_date)
        if empty:
            numbers = ", ".join(empty)
            raise Trouble(
                Condition.PROTOCOL_ERROR, f"{self._where} gave no content for UID {numbers} in {listing.folder}"
            )

    def heads(self, listing: Listing, uids: Sequence[str]) -> Mapping[str, bytes]:
        """See `base.Session.heads`."""
        found: dict[str, bytes] = {}
        with self._doing(f"read headers in {listing.folder}"):
            self._open(listing, writable=self._is_acknowledged)
            for chunk in _in_groups(in_uid_order(uids)):
                found |= self._heads(chunk)
        return found

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Acknowledged:
        """See `base.Session.acknowledge`.

        Raises Refused(ACKNOWLEDGE_REFUSED) if the server lacks what `how` needs, before anything is changed, and
        Refused(FOLDER_MISSING) if there is no `move_to`.
        """
        action = ImapAfterFetch(how)
        if action is ImapAfterFetch.KEEP or not uids:
            return Acknowledged(done=frozenset(uids))
        refused: set[str] = set()
        with self._doing(f"acknowledge ({action.value}) in {listing.folder}"):
            if action is ImapAfterFetch.DELETE:
                self._demand_means(action)
            self._open(listing, writable=True)
            for chunk in _in_groups(in_uid_order(uids)):
                refused.update(self._refused(chunk, partial(self._acknowledged, action=action, move_to=move_to)))
        return Acknowledged(frozenset(uids) - refused, frozenset(refused))

    @property
    def copier(self) -> ImapSession | None:
        """See `base.Session.copier`."""
        return None if self._can("MOVE") else self

    def mark(self, folder: str) -> Mark:
        """See `base.Copier.mark`."""
        with self._doing(f"look at {folder}"):
            status, data = self._imap.status(folder_argument(folder), "(UIDVALIDITY UIDNEXT)")
            if status != "OK":
                raise self._not_selected(folder, _text(data), "move_to")
            parts = [one for part in data for one in (part if isinstance(part, tuple) else (part,))]
        return mark_of(self._where, folder, parts)

    def came_since(self, mark: Mark) -> Sequence[bytes]:
        """See `base.Copier.came_since`."""
        with self._doing(f"read headers in {mark.folder}"):
            self._open(Listing(mark.folder, mark.uidvalidity, ()), writable=False)
            # `n:*` names the last mail even if its UID is below n (RFC 3501 6.4.8).
            came = [str(uid) for uid in self._client.search(["UID", f"{mark.next_uid}:*"]) if uid >= mark.next_uid]
            return [head for chunk in _in_groups(in_uid_order(came)) for head in self._heads(chunk).values()]

    def copy(self, listing: Listing, uids: Sequence[str], to: str) -> Acknowledged:
        """See `base.Copier.copy`."""
        refused: set[str] = set()
        with self._doing(f"copy from {listing.folder}"):
            self._demand_means(ImapAfterFetch.MOVE)
            self._open(listing, writable=True)
            for chunk in _in_groups(in_uid_order(uids)):
                refused.update(self._refused(chunk, partial(self._copied, to=to)))
        return Acknowledged(frozenset(uids) - refused, frozenset(refused))

    @property
    def capabilities(self) -> frozenset[str]:
        """See `base.Session.capabilities`."""
        return frozenset(one.decode("ascii", "replace").upper() for one in self._client.capabilities())

    @property
    def usable(self) -> bool:
        """See `base.Session.usable`."""
        return not self._failed

    def finish(self) -> frozenset[str]:
        """Nothing to end: every acknowledgement was answered for certain; the session stays open."""
        return frozenset()

    def close(self) -> None:
        """See `base.Session.close`; waits a second at most."""
        if not self._failed:
            with contextlib.suppress(Exception):
                self._client.socket().settimeout(_GOODBYE_SECONDS)
                self._client.logout()
        drop(self._client)

    def abort(self) -> None:
        """See `base.Session.abort`."""
        self._failed = True
        cut(self._client.socket())

    @property
    def _imap(self) -> imaplib.IMAP4:
        # imapclient reports NO and BAD as one error and keys answers without UID by sequence number; imaplib does not.
        imap: imaplib.IMAP4 = self._client._imap
        return imap

    @contextlib.contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        try:
            with translated(self._where, what):
                yield
        except Trouble:
            self._failed = True
            raise
        if self._imap.response("THROTTLED")[1] != [None]:
            self._told_to_wait = True

    def _select(self, folder: str, *, writable: bool) -> int:
        """Select a folder and return its UIDVALIDITY."""
        self._selected = None
        status, data = self._imap.select(folder_argument(folder), readonly=not writable)
        if status != "OK":
            raise self._not_selected(folder, _text(data))
        uidvalidity = self._number("UIDVALIDITY")
        if not uidvalidity:
            raise Trouble(
                Condition.PROTOCOL_ERROR, f"{self._where} tells no UIDVALIDITY for {folder}; nothing is taken"
            )
        self._selected = (folder, uidvalidity, writable)
        return uidvalidity

    def _not_selected(self, folder: str, text: str, key: str = "folders") -> Trouble | Refused:
        if asks_to_wait(text):
            return wait(self._where, text)
        found = [flags for flags, _, name in self._client.list_folders("", folder) if name == folder]
        usable = any({b"\\noselect", b"\\nonexistent"}.isdisjoint(flag.lower() for flag in flags) for flags in found)
        if usable:
            return Trouble(Condition.PROTOCOL_ERROR, f"{self._where} does not open {folder} now ({text})")
        return Refused(
            Condition.FOLDER_MISSING, f"{self._where} has no folder {folder} ({text}); create it or correct {key}"
        )

    def _number(self, code: str) -> int | None:
        last = self._imap.response(code)[1][-1]
        return int(last) if isinstance(last, bytes) else None

    def _search(self, since: datetime | None, following: int | None) -> set[str]:
        """The folder's UIDs; with `since` without those of days before the day before it."""
        present = self._number("EXISTS")
        if present == 0:
            return set()
        # SEARCH looks at the day of INTERNALDATE in whatever zone the server keeps it (RFC 3501 6.4.4).
        criteria = ["ALL"] if since is None else ["SINCE", (since - timedelta(days=1)).date()]
        if present is None or following is None or present <= _UIDS_PER_SEARCH:
            return set(map(str, self._client.search(criteria)))
        starts = range(1, following, _UIDS_PER_SEARCH)
        windows = [["UID", f"{first}:{first + _UIDS_PER_SEARCH - 1}"] for first in starts]
        return {str(uid) for window in windows for uid in self._client.search([*criteria, *window])}

    def _described(self, uids: Sequence[str]) -> Iterator[Listed]:
        found = self._fetched(uids, "(RFC822.SIZE INTERNALDATE FLAGS)")
        return (listed(uid, found[uid]) for uid in uids if uid in found)

    def _bodies(self, uids: Sequence[str]) -> dict[str, bytes]:
        """The mails by UID, without those that vanished; b"" for one the server gave nothing for."""
        found = self._fetched(uids, "(BODY.PEEK[])")
        given = {uid: found[uid][b"BODY[]"] for uid in uids if b"BODY[]" in found.get(uid, {})}
        return {uid: raw if isinstance(raw, bytes) else b"" for uid, raw in given.items()}

    def _heads(self, uids: Sequence[str]) -> dict[str, bytes]:
        shown = self._fetched(uids, "(BODY.PEEK[HEADER])")
        heads = {uid: shown[uid].get(b"BODY[HEADER]") for uid in uids if uid in shown}
        return {uid: head for uid, head in heads.items() if isinstance(head, bytes) and head}

    def _fetched(self, uids: Sequence[str], items: str) -> dict[str, dict[bytes, Any]]:
        status, data = self._imap.uid("FETCH", uid_set(uids), items)
        if status != "OK":
            text = _text(data)
            if asks_to_wait(text):
                raise wait(self._where, text)
            raise Trouble(Condition.PROTOCOL_ERROR, f"{self._where} refused to give mails ({text})")
        return fetched_by_uid(data)

    def _open(self, listing: Listing, *, writable: bool) -> None:
        """Have the listing's folder selected, in the state it was listed in."""
        for mode in (True, writable):
            if self._selected == (listing.folder, listing.uidvalidity, mode):
                return
        if self._select(listing.folder, writable=writable) != listing.uidvalidity:
            raise Trouble(
                Condition.PROTOCOL_ERROR, f"{self._where} changed UIDVALIDITY of {listing.folder}; it is listed anew"
            )

    def _demand_means(self, action: ImapAfterFetch) -> None:
        if not self._can("UIDPLUS") and not self._is_exclusive:
            raise Refused(
                Condition.ACKNOWLEDGE_REFUSED,
                f"{self._where} offers no UIDPLUS, so after_fetch: {action.value} could remove other people's mails; "
                "set expunge: exclusive if nobody else uses this mailbox, or after_fetch: seen",
            )

    def _can(self, capability: str) -> bool:
        return bool(self._client.has_capability(capability))

    @property
    def _is_acknowledged(self) -> bool:
        return self._settings.after_fetch is not ImapAfterFetch.KEEP

    @property
    def _is_exclusive(self) -> bool:
        return self._settings.expunge == "exclusive"

    def _present(self, uids: Sequence[str]) -> tuple[str, ...]:
        """Which of these the folder holds now: servers tell of vanished mail in odd ways (RFC 2180 section 4)."""
        if not uids:
            return ()
        self._client.noop()
        found = set(self._client.search(["UID", uid_set(uids)]))
        return tuple(uid for uid in uids if int(uid) in found)

    def _refused(self, uids: Sequence[str], tells: Callable[[str], bool]) -> Sequence[str]:
        """Tell of these; what the server refuses. One vanished mail is no reason to refuse the others."""
        if tells(uid_set(uids)):
            return ()
        present = self._present(uids)
        vanished_only = len(present) < len(uids) and tells(uid_set(present))
        return () if vanished_only else present

    def _acknowledged(self, uids: str, action: ImapAfterFetch, move_to: str | None) -> bool:
        if not uids:
            return True
        if action is ImapAfterFetch.SEEN:
            return self._done(self._imap.uid("STORE", uids, "+FLAGS.SILENT", "(\\Seen)"))
        if action is ImapAfterFetch.DELETE:
            return self._deleted(uids)
        if move_to is None:
            raise ValueError("move needs a folder")
        return self._done(self._imap.uid("MOVE", uids, folder_argument(move_to)), move_to)

    def _copied(self, uids: str, to: str) -> bool:
        return not uids or self._done(self._imap.uid("COPY", uids, folder_argument(to)), to)

    def _deleted(self, uids: str) -> bool:
        if not self._done(self._imap.uid("STORE", uids, "+FLAGS.SILENT", "(\\Deleted)")):
            return False
        return self._done(self._imap.uid("EXPUNGE", uids) if self._can("UIDPLUS") else self._imap.expunge())

    def _done(self, answer: tuple[str, Sequence[Any]], move_to: str | None = None) -> bool:
        status, data = answer
        if status == "OK":
            return True
        text = _text(data)
        if asks_to_wait(text):
            raise wait(self._where, text)
        if move_to is not None and "[TRYCREATE]" in text.upper():
            raise Refused(
                Condition.FOLDER_MISSING,
                f"{self._where} has no folder {move_to} ({text}); create it or correct move_to",
            )
        return False


def _text(data: Sequence[Any]) -> str:
    return said(data[-1]) if data and isinstance(data[-1], bytes | str) else ""


def _in_groups(uids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (uids[first : first + _UIDS_PER_COMMAND] for first in range(0, len(uids), _UIDS_PER_COMMAND))


def _by_size(mails: Sequence[Listed]) -> Iterator[Sequence[Listed]]:
    """Groups of mails that are fetched at once: bounded in number and bytes, a larger mail by itself."""
    first = total = 0
    for position, mail in enumerate(mails):
        size = _UNKNOWN_SIZE if mail.size is None else mail.size
        if position > first and (total + size > _BYTES_PER_FETCH or position - first == _UIDS_PER_COMMAND):
            yield mails[first:position]
            first, total = position, 0
        total += size
    if mails:
        yield mails[first:]
