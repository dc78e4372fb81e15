"""One step of one account: list, choose, fetch, store, and only then tell the server; knows no cycle."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from reconciler.core.errors import Permanent, ReconcilerError, Unavailable
from reconciler.core.fetch import Choice, Fetched, Listing, StartRule, choose, floor_of
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.resync import is_renumbered
from reconciler.protocol.base import ProtocolPlugin, Session
from reconciler.runtime.faults import reach
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.recheck import Recheck, recheck
from reconciler.runtime.resync import Ground, compare_folder, renumbering
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store import ledger
from reconciler.store.database import Store
from reconciler.store.resync import Decision, renumber

Clock = Callable[[], datetime]

_SLACK = timedelta(days=1)
_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class StepReport:
    """How a step went. `backlog` None: not known. `wait`: seconds until the next step that the server asked for."""

    account_key: int
    taken: int
    backlog: int | None
    condition: Condition
    reason: str
    connection_lost: bool = False
    permanent: bool = False
    wait: float | None = None


@dataclass(slots=True)
class Cursor:
    """What is remembered of an account's folders between two steps, so that the ledger is read once a connection.

    `numbered` are the folders whose next UID was compared with those known.
    `pending` are the UIDs by folder and UIDVALIDITY of which the server was told, certain once the session is finished.
    """

    known: dict[str, set[str]] = field(default_factory=dict)
    states: dict[str, ledger.FolderState] = field(default_factory=dict)
    too_large: set[str] = field(default_factory=set)
    listed: Listing | None = None
    checked: Recheck = field(default_factory=Recheck)
    numbered: set[str] = field(default_factory=set)
    pending: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps work with."""

    store: Store
    writer: Writer
    plugins: Mapping[str, ProtocolPlugin]
    secrets: SecretStore
    settings: RunSettings
    clock: Clock


class Step:
    """The work of one step over an open session."""

    def __init__(self, account: FetchAccount, session: Session, cursor: Cursor, tools: Tools) -> None:
        self._account, self._session, self._cursor, self._tools = account, session, cursor, tools

    def run(self) -> StepReport:
        """Take at most `weight` mails over all folders. Raises what the door raises; what was stored stays stored."""
        taken = backlog = 0
        refused: set[str] = set()
        for folder in self._folders():
            listing = self._prefetched(folder) or self._list(folder)
            refused |= self._catch_up(listing)
            choice = self._choose(listing, self._account.account.weight - taken)
            if choice.take:
                stored, not_told = self._take(listing, choice)
                taken, refused = taken + stored, refused | not_told
            backlog += choice.backlog
        condition, reason = self._condition(refused)
        return StepReport(self._account.key, taken, backlog, condition, reason)

    def preview(self) -> StepReport:
        """What a step would take, without taking it: nothing is fetched, stored or told."""
        taken = backlog = 0
        for folder in self._folders():
            listing = self._session.list(folder, self._known(folder), self._since())
            choice = self._choice(
                listing, self._account.account.weight - taken, first_contact=folder not in self._cursor.states
            )
            taken += len(choice.take)
            backlog += choice.backlog
        return StepReport(self._account.key, taken, backlog, Condition.OK, "")

    def _folders(self) -> Sequence[str]:
        """All folders, beginning with another one each time, so that a full one does not starve the rest."""
        folders = self._folders_read()
        start = self._cursor.turn % len(folders)
        self._cursor.turn += 1
        return [*folders[start:], *folders[:start]]

    def _folders_read(self) -> Sequence[str]:
        folders: Sequence[str] = getattr(self._account.account.block, "folders", ("",))
        return folders

    def _prefetched(self, folder: str) -> Listing | None:
        """The last listing while it still holds something to take: a backlog is listed once, not at every step.

        Only with a single folder, for a listing is good as long as its folder stays selected.
        """
        listing = self._cursor.listed
        if listing is None or listing.folder != folder or len(self._folders_read()) > 1:
            return None
        return listing if self._choice(listing, self._account.account.weight, first_contact=False).take else None

    def _list(self, folder: str) -> Listing:
        known = self._known(folder)
        listing = self._session.list(folder, known, self._since())
        state = self._cursor.states.get(folder)
        if state is None:
            state = self._first_contact(listing)
        if self._is_renumbered(listing, state):
            return self._resync(folder, state)
        sure = self._cursor.pending.get((folder, listing.uidvalidity), ())
        self._cursor.checked = recheck(self._session, listing, self._account.key, self._tools.store, sure)
        self._cursor.listed = listing
        return listing

    def _is_renumbered(self, listing: Listing, state: ledger.FolderState) -> bool:
        """Looked at once a connection where UIDVALIDITY is the same: a server may tell a wrong UIDNEXT for ever."""
        first = listing.folder not in self._cursor.numbered
        self._cursor.numbered.add(listing.folder)
        if not first and state.uidvalidity == listing.uidvalidity:
            return False
        return is_renumbered(state.uidvalidity, listing, self._cursor.known[listing.folder])

    def _resync(self, folder: str, state: ledger.FolderState) -> Listing:
        """Find the known mails under their new UIDs. Raises Refused if a person has to decide about unknown ones."""
        ground = Ground(self._account, self._session, self._tools.store, self._tools.settings.mail_bytes)
        found = compare_folder(ground, self._session.list(folder, (), self._since()), state, thorough=False)
        if found.in_place:
            return self._list(folder)
        if found.needs_decision:
            raise Refused(
                Condition.RESYNC_NEEDS_DECISION,
                f"{found.summary}; nothing is taken until a person has looked, see: "
                f"reconciler resync {self._account.label}",
            )
        change = renumbering(self._account.key, found, adopt=False)
        decision = Decision("matched", "", "fetch", self._tools.clock())
        self._tools.writer.run(lambda c: renumber(c, change, decision))
        for remembered in (self._cursor.known, self._cursor.states):
            remembered.pop(folder, None)
        return self._list(folder)

    def _known(self, folder: str) -> set[str]:
        """UIDs that need not be listed again: in the ledger, or left behind at first contact."""
        known = self._cursor.known.get(folder)
        if known is None:
            with self._tools.store.read() as connection:
                state = ledger.folder_state(connection, self._account.key, folder)
                known = set()
                if state is not None:
                    known = ledger.known_uids(connection, self._account.key, folder, state.uidvalidity)
                    known |= state.left_behind
                    self._cursor.states[folder] = state
            self._cursor.known[folder] = known
        return known

    def _since(self) -> datetime | None:
        floor = self._floor()
        return floor - _SLACK if floor is not None else None

    def _floor(self) -> datetime | None:
        return floor_of(self._start(), self._account.floor_at)

    def _start(self) -> StartRule:
        start: StartRule = getattr(self._account.account.block, "start", "all")
        return start

    def _first_contact(self, listing: Listing) -> ledger.FolderState:
        """Write down what the start rule leaves behind, before anything is taken."""
        choice = self._choice(listing, 0, first_contact=True)
        left = frozenset(choice.left_behind)
        if self._start() == "now" and not listing.dated:
            left |= listing.ambiguous
        state = ledger.FolderState(listing.uidvalidity, self._tools.clock(), left)
        key, folder = self._account.key, listing.folder
        self._tools.writer.run(lambda c: ledger.save_folder(c, key, folder, state))
        self._cursor.states[folder] = state
        self._cursor.known[folder] |= state.left_behind
        return state

    def _choose(self, listing: Listing, weight: int) -> Choice:
        choice = self._choice(listing, weight, first_contact=False)
        self._cursor.known[listing.folder] |= set(choice.left_behind)
        self._cursor.too_large |= {f"{listing.folder}/{uid}" for uid in choice.too_large}
        return choice

    def _choice(self, listing: Listing, weight: int, *, first_contact: bool) -> Choice:
        known = self._cursor.known[listing.folder]
        return choose(
            [m for m in listing.mails if m.uid not in known],
            weight=max(weight, 0),
            max_step_bytes=self._tools.settings.step_bytes,
            max_mail_bytes=self._tools.settings.mail_bytes,
            start=self._start(),
            floor=self._floor(),
            first_contact=first_contact,
            dated=listing.dated,
        )

    def _take(self, listing: Listing, choice: Choice) -> tuple[int, frozenset[str]]:
        """Fetch, make durable, then tell the server: in this order, whatever happens in between.

        Returns how many mails were stored, and which of them the server refused to be told about.
        """
        fetched, trouble = _consumed(self._session.fetch(listing, [m.uid for m in choice.take]))
        reach("fetched")
        after_fetch, move_to = self._after_fetch()
        self._tools.writer.run(_storing(self._account.key, fetched, self._tools.clock(), after_fetch, move_to))
        reach("stored")
        uids = [m.uid for m in fetched]
        self._cursor.known[listing.folder] |= set(uids)
        refused = self._acknowledge(listing, uids, after_fetch, move_to)
        if trouble is not None:
            raise trouble
        # What vanished between listing and fetching is not asked for again.
        self._cursor.known[listing.folder] |= {m.uid for m in choice.take}
        return len(fetched), refused

    def _after_fetch(self) -> tuple[str, str | None]:
        block = self._account.account.block
        return str(getattr(block, "after_fetch", "keep")), getattr(block, "move_to", None)

    def _catch_up(self, listing: Listing) -> frozenset[str]:
        """Tell the server about mails that were stored but not acknowledged, because something ended in between."""
        with self._tools.store.read() as connection:
            rows = ledger.unacknowledged(connection, self._account.key)
        refused: set[str] = set()
        groups: dict[tuple[str, str | None], list[str]] = {}
        doubtful = self._cursor.checked.reused | self._cursor.checked.untold
        for row in rows:
            here = row.folder == listing.folder and row.uidvalidity == listing.uidvalidity
            if here and not (listing.present and row.uid in doubtful):
                groups.setdefault((row.after_fetch, row.move_to), []).append(row.uid)
        for (after_fetch, move_to), uids in groups.items():
            refused |= self._acknowledge(listing, uids, after_fetch, move_to)
        return frozenset(refused)

    def _acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> frozenset[str]:
        if how == "keep":
            return frozenset()
        answer = self._session.acknowledge(listing, uids, how, move_to)
        reach("acknowledged")
        place = (listing.folder, listing.uidvalidity)
        _mark(self._account.key, place, answer.done, self._tools)
        if pending := set(uids) - answer.done - answer.refused:
            self._cursor.pending.setdefault(place, set()).update(pending)
        return answer.refused

    def _ambiguous(self) -> frozenset[str]:
        listing = self._cursor.listed
        if listing is None:
            return frozenset()
        return listing.ambiguous - self._cursor.states[listing.folder].left_behind

    def _condition(self, refused: set[str]) -> tuple[Condition, str]:
        if refused:
            return Condition.ACKNOWLEDGE_REFUSED, f"the server refused to mark {len(refused)} stored mails"
        if reused := self._cursor.checked.reused:
            return (
                Condition.RESYNC_NEEDS_DECISION,
                f"the server names other mails by the ids of mails fetched before: {_named(reused)}; they stay there "
                f"untouched until a person has looked, see: reconciler resync {self._account.label}",
            )
        if ambiguous := self._ambiguous():
            return (
                Condition.PROTOCOL_ERROR,
                f"the server names several mails by one id: {_named(ambiguous)}; they stay there",
            )
        if self._cursor.too_large:
            limit = self._tools.settings.mail_bytes
            return (
                Condition.MAIL_TOO_LARGE,
                f"{len(self._cursor.too_large)} mails above {limit} bytes stay on the server",
            )
        return Condition.OK, ""


def finish(account_key: int, session: Session, cursor: Cursor, tools: Tools) -> None:
    """Make certain what the session left uncertain, and remember it. Only after everything fetched is stored.

    Raises Trouble if the server refuses; what it does not confirm is told again in a later session.
    """
    certain = session.finish()
    reach("finished")
    for place, uids in cursor.pending.items():
        _mark(account_key, place, uids & certain, tools)
    cursor.pending.clear()


def _mark(account_key: int, place: tuple[str, int], uids: Collection[str], tools: Tools) -> None:
    now = tools.clock()
    if uids:
        tools.writer.run(lambda c: ledger.mark_acknowledged(c, account_key, *place, uids, now))


def _named(uids: Collection[str]) -> str:
    """Some UIDs for a text; a server's words may hold anything."""
    shown = sorted(ascii(uid)[1:-1] for uid in uids)
    return ", ".join(shown[:_NAMED_AT_MOST]) + (", …" if len(shown) > _NAMED_AT_MOST else "")


def failed(account_key: int, error: Exception) -> StepReport:
    """The report of a step that ended with an exception; only a Refused is permanent."""
    otherwise = Condition.STORE_UNWELL if isinstance(error, Unavailable) else Condition.PROTOCOL_ERROR
    condition = error.condition if isinstance(error, Trouble | Refused) else otherwise
    wait = error.retry_after if isinstance(error, Trouble) else None
    reason = str(error) if isinstance(error, ReconcilerError) else f"{type(error).__name__} in the fetch engine"
    return StepReport(account_key, 0, None, condition, reason, True, isinstance(error, Permanent), wait)


def _consumed(mails: Iterator[Fetched]) -> tuple[list[Fetched], ReconcilerError | None]:
    """The mails that came, and what then went wrong: those that came are stored before anything is raised."""
    fetched: list[Fetched] = []
    try:
        for mail in mails:
            fetched.append(mail)  # noqa: PERF402
    except ReconcilerError as error:
        return fetched, error
    return fetched, None


def _storing(
    account_key: int, fetched: Sequence[Fetched], now: datetime, after_fetch: str, move_to: str | None
) -> Callable[[Connection], Any]:
    arrived = [ledger.Arrived(account_key, mail, now, after_fetch, move_to) for mail in fetched]
    return lambda connection: ledger.store_mails(connection, arrived)
