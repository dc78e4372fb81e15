"""The Maildir door: reads new and cur of a folder on this machine, and marks, moves or removes what was stored.

It goes by file names (https://cr.yp.to/proto/maildir.html), follows no link below the folder, and keeps nothing open
between two calls.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.core.fetch import Fetched, Listed, Listing
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Acknowledged, Limits
from reconciler.protocol.maildir_settings import MaildirAfterFetch, MaildirSettings

_FOLDERS = ("new", "cur")
_HEAD_BYTES = 256 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Place:
    """A mail's file: where it lay when the folder was read, and what tells it from another one of that name."""

    folder: str
    name: str
    identity: tuple[int, int, int]
    modified: datetime

    @property
    def uid(self) -> str:
        """The unique part of the name, which stays as flags change."""
        return self.name.partition(":2,")[0]

    @property
    def flags(self) -> str:
        """The flags in the name; a mail in new has none."""
        return self.name.partition(":2,")[2]


def open_session(settings: MaildirSettings, _secret: Secret | None, _limits: Limits) -> MaildirSession:
    """A session (see `base.Session`) over the folder. Raises Refused(FOLDER_MISSING) if there is none."""
    session = MaildirSession(settings)
    with session.opened(settings.path):
        return session


class MaildirSession:
    """A Maildir; implements `base.Session`."""

    usable = True
    login_delay = 0.0
    copier = None
    capabilities: frozenset[str] = frozenset()

    def __init__(self, settings: MaildirSettings) -> None:
        self._settings = settings
        self._where = f"Maildir {settings.path}"
        self._fetched: dict[str, tuple[int, int, int]] = {}

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Listing:
        """See `base.Session.list`. A mail's date is its file's, its order that of the dates."""
        with self.opened(self._settings.path) as root:
            places, ambiguous = self._places(root)
        mails = [
            Listed(uid, place.identity[1], place.modified, "S" in place.flags)
            for uid, place in sorted(places.items(), key=lambda item: (item[1].modified, item[0]))
            if uid not in known and (since is None or place.modified >= since)
        ]
        return Listing(folder, 0, tuple(mails), {uid: p.identity[1] for uid, p in places.items()}, ambiguous)

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Iterator[Fetched]:
        """See `base.Session.fetch`; files that cannot be read are named in an error after all others were given."""
        missing: list[str] = []
        with self.opened(self._settings.path) as root:
            places, _ = self._places(root)
            for place in (places[uid] for uid in uids if uid in places):
                try:
                    raw = self._read(root, place)
                except OSError as error:
                    if error.errno != errno.ENOENT:
                        missing.append(f"{place.folder}/{place.name} ({error.strerror})")
                    continue
                if raw.strip():
                    self._fetched[place.uid] = place.identity
                    yield Fetched(listing.folder, listing.uidvalidity, place.uid, raw, place.modified)
                else:
                    missing.append(f"{place.folder}/{place.name} (empty)")
        if missing:
            raise Trouble(Condition.PROTOCOL_ERROR, f"{self._where}: no content in {', '.join(missing)}")

    def heads(self, listing: Listing, uids: Sequence[str]) -> Mapping[str, bytes]:
        """See `base.Session.heads`."""
        found: dict[str, bytes] = {}
        with self.opened(self._settings.path) as root:
            places, _ = self._places(root)
            for uid in (uid for uid in uids if uid in places):
                with contextlib.suppress(OSError):
                    found[uid] = self._read(root, places[uid], _HEAD_BYTES)
        return found

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Acknowledged:
        """See `base.Session.acknowledge`; a file that is not the one that was fetched is refused."""
        action = MaildirAfterFetch(how)
        if action is MaildirAfterFetch.KEEP or not uids:
            return Acknowledged(done=frozenset(uids))
        refused: set[str] = set()
        with self.opened(self._settings.path) as root, contextlib.ExitStack() as stack:
            target = stack.enter_context(self.opened(move_to)) if move_to is not None else None
            places, ambiguous = self._places(root)
            for uid in uids:
                place = places.get(uid)
                if place is not None and self._fetched.pop(uid, place.identity) == place.identity:
                    refused |= set() if self._told(root, place, action, target) else {uid}
                elif place is not None or uid in ambiguous:
                    refused.add(uid)
        return Acknowledged(frozenset(uids) - refused, frozenset(refused))

    def finish(self) -> frozenset[str]:
        """Nothing to end."""
        return frozenset()

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A descriptor of a Maildir. Raises Refused(FOLDER_MISSING) where it, new or cur is missing or locked away."""
        with contextlib.ExitStack() as stack:
            try:
                root = os.open(path, _DIRECTORY)
                stack.callback(os.close, root)
                for folder in _FOLDERS:
                    with self._folder(root, folder):
                        pass
            except OSError as error:
                raise Refused(
                    Condition.FOLDER_MISSING,
                    f"{path} is no Maildir that can be read ({error.strerror}); it needs the folders new, cur and tmp, "
                    "which are no links, and rights for the user this program runs as",
                ) from error
            yield root

    @contextlib.contextmanager
    def _folder(self, root: int, folder: str) -> Iterator[int]:
        descriptor = os.open(folder, _DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _places(self, root: int) -> tuple[dict[str, _Place], frozenset[str]]:
        """UID → file, and the UIDs that several files have. new before cur, so that a mail on its way is found."""
        places: dict[str, _Place] = {}
        ambiguous: set[str] = set()
        try:
            for folder in _FOLDERS:
                with self._folder(root, folder) as descriptor:
                    for place in _files(folder, descriptor):
                        other = places.setdefault(place.uid, place)
                        if other.identity != place.identity or not place.uid.isprintable():
                            ambiguous.add(place.uid)
                        places[place.uid] = place
        except OSError as error:
            raise Trouble(Condition.UNREACHABLE, f"{self._where} cannot be read now ({error.strerror})") from error
        return {uid: place for uid, place in places.items() if uid not in ambiguous}, frozenset(ambiguous)

    def _read(self, root: int, place: _Place, at_most: int | None = None) -> bytes:
        with self._folder(root, place.folder) as folder:
            descriptor = os.open(place.name, _FILE, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(at_most)

    def _told(self, root: int, place: _Place, action: MaildirAfterFetch, target: int | None) -> bool:
        """Mark, move or remove one file; True if that is done or the file has vanished."""
        flags = "".join(sorted({*place.flags, "S"}))
        goal = root if target is None else target
        try:
            with self._folder(root, place.folder) as folder, self._folder(goal, "cur") as cur:
                if action is MaildirAfterFetch.DELETE:
                    os.unlink(place.name, dir_fd=folder)
                else:
                    os.rename(place.name, f"{place.uid}:2,{flags}", src_dir_fd=folder, dst_dir_fd=cur)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def _files(folder: str, descriptor: int) -> Iterator[_Place]:
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode):
                identity = (found.st_ino, found.st_size, found.st_mtime_ns)
                yield _Place(folder, entry.name, identity, datetime.fromtimestamp(found.st_mtime, UTC))
