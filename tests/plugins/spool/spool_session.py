"""The door to a folder of .eml files: a file is a mail, its name is the UID."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from spool_settings import SpoolSettings

from reconciler.core.fetch import Fetched, Listed, Listing
from reconciler.core.health import Condition, Refused
from reconciler.core.secret import Secret
from reconciler.protocol.base import Acknowledged, Limits


def open_session(settings: SpoolSettings, _secret: Secret | None, _limits: Limits) -> SpoolSession:
    """A session over the folder."""
    return SpoolSession(Path(settings.path))


class SpoolSession:
    """A folder of .eml files; implements `reconciler.protocol.base.Session`."""

    usable = True
    login_delay = 0.0
    copier = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Listing:
        """The files by date."""
        if not self._folder.is_dir():
            raise Refused(Condition.FOLDER_MISSING, f"{self._folder} is no folder; create it or correct path")
        found = {file.name: file.stat() for file in self._folder.glob("*.eml")}
        mails = [
            Listed(name, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))
            for name, stat in sorted(found.items(), key=lambda item: (item[1].st_mtime, item[0]))
            if name not in known
        ]
        return Listing(folder, 0, tuple(mails), {name: stat.st_size for name, stat in found.items()})

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Iterator[Fetched]:
        """Read the files."""
        for uid in uids:
            yield Fetched(listing.folder, listing.uidvalidity, uid, (self._folder / uid).read_bytes())

    def heads(self, listing: Listing, uids: Sequence[str]) -> Mapping[str, bytes]:
        """Read the files; they are small."""
        return {uid: (self._folder / uid).read_bytes() for uid in uids}

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Acknowledged:
        """Remove the files, if that is wanted."""
        for uid in uids if how == "delete" else ():
            (self._folder / uid).unlink(missing_ok=True)
        return Acknowledged(done=frozenset(uids))

    def finish(self) -> frozenset[str]:
        """Nothing to end."""
        return frozenset()

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""
