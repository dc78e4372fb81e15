"""One step of one account: list, choose, fetch, store, and only then tell the server; knows no cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from reconciler.core.errors import Permanent, ReconcilerError, Unavailable
from reconciler.core.fetch import Choice, Fetched, Listed, Listing, StartRule, choose, fitting, floor_of
from reconciler.core.health import Condition, Refused, Trouble, condition_of
from reconciler.core.resync import is_renumbered
from reconciler.core.unstored import refused as refused_again
from reconciler.protocol.base import Acknowledged, ProtocolPlugin
from reconciler.runtime.access import Access, Tokens
from reconciler.runtime.asking import Asking, Note, acknowledge, fetch, list_folder, read, settle, write
from reconciler.runtime.copying import Before, move
from reconciler.runtime.cursor import Cursor, Place, Told
from reconciler.runtime.faults import reach
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.pacing import bounds_of, count, paced
from reconciler.runtime.recheck import recheck
from reconciler.runtime.resync import compare_folder, renumbering
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.standing import condition_after
from reconciler.runtime.storing import store
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store import ledger
from reconciler.store.database import Store
from reconciler.store.resync import Decision, renumber

Clock = Callable[[], datetime]
_SLACK = timedelta(days=1)
_LONGEST_OPEN = 10.0
"""Seconds; what the server was told stays uncertain no longer than this while the account rests for its own bounds."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """How a step went. `backlog` None: not known. `wait`: seconds until the next step that the server asked for.

    `pause`: seconds until the account's own bounds allow more of the backlog.
    """

    account_key: int
    taken: int
    backlog: int | None
    condition: Condition
    reason: str
    connection_lost: bool = False
    permanent: bool = False
    wait: float | None = None
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps work with."""

    store: Store
    writer: Writer
    plugins: Mapping[str, ProtocolPlugin]
    secrets: SecretStore
    settings: RunSettings
    clock: Clock
    tokens: Tokens = field(default_factory=Tokens)

    @property
    def access(self) -> Access:
        """What accounts log in with."""
        return Access(self.secrets, self.tokens)


class Step:
    """The decisions of one step over an open session. What it needs done it asks for, see `asking`."""

    def __init__(self, account: FetchAccount, cursor: Cursor, tools: Tools) -> None:
        self._account, self._cursor, self._tools = account, cursor, tools
        self._may_finish = True
        self._bounds = bounds_of(account.account)

    def run(self) -> Asking[StepReport]:
        """Take at most `weight` mails over all folders; before a rest make certain what was told.

        Raises what the door raises; what was stored stays stored.
        """
        report = yield from self._taking()
        try:
            if not self._may_finish:
                raise Trouble(*self._condition())
            yield from self._settle(wait=not report.backlog or (self._pause() or 0) > _LONGEST_OPEN)
        except ReconcilerError as error:
            return replace(failed(report.account_key, error), taken=report.taken, backlog=report.backlog)
        condition, reason = self._condition()
        return replace(report, condition=condition, reason=reason, pause=self._pause())

    def preview(self) -> Asking[StepReport]:
        """What a step would take, without taking it: nothing is fetched, stored or told."""
        taken = backlog = 0
        for folder in self._folders():
            known = yield from self._known(folder)
            listing = yield from list_folder(folder, known, self._since())
            choice = self._choice(
                listing, self._account.account.weight - taken, first_contact=folder not in self._cursor.states
            )
            taken += len(choice.take)
            backlog += choice.backlog
        return StepReport(self._account.key, taken, backlog, Condition.OK, "")

    def finish(self) -> Asking[None]:
        """Make certain what the server was told of. Raises Trouble if it refuses; unconfirmed, it is told again."""
        yield from self._settle(wait=True)

    def _taking(self) -> Asking[StepReport]:
        taken = backlog = 0
        self._cursor.refused.clear()
        self._cursor.pause = None
        yield from self._settle(wait=False)
        for folder in self._folders():
            weight = self._account.account.weight - taken
            listing = self._prefetched(folder)
            if listing is None:
                listing = yield from self._list(folder)
                self._sort(listing)
            yield from self._catch_up(listing)
            take = yield from self._next(weight)
            if take:
                taken += yield from self._take(listing, take)
            backlog += len(self._cursor.waiting)
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
        return listing if self._cursor.waiting else None

    def _list(self, folder: str) -> Asking[Listing]:
        known = yield from self._known(folder)
        listing = yield from list_folder(folder, known, self._since())
        state = self._cursor.states.get(folder)
        if state is None:
            state = yield from self._first_contact(listing)
        if self._is_renumbered(listing, state):
            renumbered: Listing = yield from self._resync(folder, state)
            return renumbered
        sure = self._cursor.pending.get((folder, listing.uidvalidity), ())
        self._cursor.checked = yield from recheck(listing, self._account.key, sure)
        self._cursor.listed = listing
        return listing

    def _is_renumbered(self, listing: Listing, state: ledger.FolderState) -> bool:
        """Looked at once a connection where UIDVALIDITY is the same: a server may tell a wrong UIDNEXT for ever."""
        first = listing.folder not in self._cursor.numbered
        self._cursor.numbered.add(listing.folder)
        if not first and state.uidvalidity == listing.uidvalidity:
            return False
        return is_renumbered(state.uidvalidity, listing, self._cursor.known[listing.folder])

    def _resync(self, folder: str, state: ledger.FolderState) -> Asking[Listing]:
        """Find the known mails under their new UIDs. Raises Refused if a person has to decide about unknown ones."""
        everything = yield from list_folder(folder, (), self._since())
        limit = self._tools.settings.mail_bytes
        found = yield from compare_folder(self._account, everything, state, mail_bytes=limit, thorough=False)
        if found.in_place:
            unchanged: Listing = yield from self._list(folder)
            return unchanged
        if found.needs_decision:
            raise Refused(
                Condition.RESYNC_NEEDS_DECISION,
                f"{found.summary}; nothing is taken until a person has looked, see: "
                f"reconciler resync {self._account.label}",
            )
        change = renumbering(self._account.key, found, adopt=False)
        decision = Decision("matched", "", "fetch", self._tools.clock())
        yield from write(lambda c: renumber(c, change, decision))
        for remembered in (self._cursor.known, self._cursor.states):
            remembered.pop(folder, None)
        self._cursor.untold = None
        matched: Listing = yield from self._list(folder)
        return matched

    def _known(self, folder: str) -> Asking[set[str]]:
        """UIDs that need not be listed again: in the ledger, or left behind at first contact."""
        known = self._cursor.known.get(folder)
        if known is None:
            state, known = yield from read(partial(_remembered, account_key=self._account.key, folder=folder))
            if state is not None:
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

    def _first_contact(self, listing: Listing) -> Asking[ledger.FolderState]:
        """Write down what the start rule leaves behind, before anything is taken."""
        choice = self._choice(listing, 0, first_contact=True)
        left = frozenset(choice.left_behind)
        if self._start() == "now" and not listing.dated:
            left |= listing.ambiguous
        state = ledger.FolderState(listing.uidvalidity, self._tools.clock(), left)
        key, folder = self._account.key, listing.folder
        yield from write(lambda c: ledger.save_folder(c, key, folder, state))
        self._cursor.states[folder] = state
        self._cursor.known[folder] |= state.left_behind
        return state

    def _sort(self, listing: Listing) -> None:
        """Put what is to be taken of a fresh listing in its queue, and remember what never will be."""
        self._cursor.forget_unstored(listing)
        choice = self._choice(listing, len(listing.mails), first_contact=False)
        self._cursor.known[listing.folder] |= set(choice.left_behind)
        self._cursor.too_large |= {f"{listing.folder}/{uid}" for uid in choice.too_large}
        self._cursor.waiting = deque(choice.eligible)

    def _next(self, weight: int) -> Asking[Sequence[Listed]]:
        """What this step takes of the queue, which is shortened by it only once that is stored."""
        waiting = self._cursor.waiting
        first = [waiting[n] for n in range(min(max(weight, 0), len(waiting)))]
        fits = first[: fitting(first, self._tools.settings.step_bytes)]
        return (yield from paced(self._account.key, self._bounds, self._cursor, fits, self._tools.clock()))

    def _pause(self) -> float | None:
        pause = self._cursor.pause
        return max(0.0, (pause.until - self._tools.clock()).total_seconds()) if pause is not None else None

    def _choice(self, listing: Listing, weight: int, *, first_contact: bool) -> Choice:
        known, now = self._cursor.known[listing.folder], self._tools.clock()
        resting = {key for key, mail in self._cursor.unstored.items() if mail.rests(now)}
        place = (listing.folder, listing.uidvalidity)
        return choose(
            [m for m in listing.mails if m.uid not in known and (place, m.uid) not in resting],
            weight=max(weight, 0),
            max_step_bytes=self._tools.settings.step_bytes,
            max_mail_bytes=self._tools.settings.mail_bytes,
            start=self._start(),
            floor=self._floor(),
            first_contact=first_contact,
            dated=listing.dated,
        )

    def _take(self, listing: Listing, take: Sequence[Listed]) -> Asking[int]:
        """Fetch, make durable, then tell the server: in this order, whatever happens in between.

        Returns how many mails were stored.
        """
        size = sum(mail.size or 0 for mail in take)
        taken = yield from fetch(listing, [mail.uid for mail in take], size)
        reach("fetched")
        count(self._bounds, self._cursor, taken.mails, self._tools.clock())
        after_fetch, move_to = self._after_fetch()
        refused = yield from self._store(listing, taken.mails, (after_fetch, move_to))
        reach("stored")
        uids = [m.uid for m in taken.mails if m.uid not in refused]
        self._cursor.known[listing.folder] |= set(uids)
        others = self._cursor.has_others(listing.folder, uids, (after_fetch, move_to))
        before = Before.OTHERS if others else Before.NOTHING
        yield from self._acknowledge(listing, uids, (after_fetch, move_to), before)
        if taken.trouble is not None:
            raise taken.trouble
        # What vanished between listing and fetching is not asked for again.
        self._cursor.known[listing.folder] |= {m.uid for m in take} - refused
        for _ in take:
            self._cursor.waiting.popleft()
        return len(uids)

    def _store(self, listing: Listing, mails: Sequence[Fetched], told: Told) -> Asking[set[str]]:
        """Make these mails durable; the UIDs of those that the store refuses, which rest on the server."""
        now = self._tools.clock()
        refused = yield from store(self._account.key, mails, now, told)
        unstored, place = self._cursor.unstored, (listing.folder, listing.uidvalidity)
        for mail in mails:
            before = unstored.pop((place, mail.uid), None)
            if mail.uid in refused:
                unstored[place, mail.uid] = refused_again(before, refused[mail.uid], now)
                # A POP3 server may remove what was retrieved at QUIT (RFC 2449 section 6.7), so there is none.
                self._may_finish &= listing.dated
        return set(refused)

    def _after_fetch(self) -> tuple[str, str | None]:
        block = self._account.account.block
        return str(getattr(block, "after_fetch", "keep")), getattr(block, "move_to", None)

    def _catch_up(self, listing: Listing) -> Asking[None]:
        """Tell the server about mails that were stored but not acknowledged, because something ended in between."""
        if self._cursor.untold is None:
            rows = yield from read(partial(ledger.unacknowledged, account_key=self._account.key))
            self._cursor.untold = {}
            for row in rows:
                there = self._cursor.untold.setdefault((row.folder, row.uidvalidity), {})
                there[row.uid] = (row.after_fetch, row.move_to)
        groups: dict[Told, list[str]] = {}
        for uid, told in self._cursor.left_to_tell(listing).items():
            groups.setdefault(told, []).append(uid)
        for told, uids in groups.items():
            yield from self._acknowledge(listing, uids, told, Before.THESE)

    def _acknowledge(self, listing: Listing, uids: Sequence[str], told: Told, before: Before) -> Asking[None]:
        how, move_to = told
        if how == "keep" or not uids:
            return
        place = (listing.folder, listing.uidvalidity)
        if self._cursor.untold is not None:
            self._cursor.untold.setdefault(place, {}).update(dict.fromkeys(uids, told))
        if how == "move" and move_to is not None:
            answer = yield from move(self._account.key, listing, uids, move_to, before)
        else:
            answer = yield from acknowledge(listing, uids, how, move_to)
        reach("acknowledged")
        if pending := set(uids) - answer.done - answer.refused:
            self._cursor.pending.setdefault(place, set()).update(pending)
        yield from self._settled({place: answer})

    def _settle(self, *, wait: bool) -> Asking[None]:
        """Hear what has become of what the server was told of, and remember it."""
        if not self._cursor.pending and not wait:
            return
        answer = yield from settle(wait=wait)
        if wait:
            reach("finished")
        pending = self._cursor.pending
        yield from self._settled(
            {at: Acknowledged(frozenset(answer.done & uids), answer.refused & uids) for at, uids in pending.items()}
        )
        if wait:
            pending.clear()

    def _settled(self, answers: Mapping[Place, Acknowledged]) -> Asking[None]:
        now, key, cursor = self._tools.clock(), self._account.key, self._cursor
        for place, answer in answers.items():
            if answer.done:
                yield Note(partial(_mark, account_key=key, place=place, uids=answer.done, now=now))
            if answer.refused:
                cursor.refused.setdefault(place, set()).update(answer.refused)
            untold = (cursor.untold or {}).get(place, {})
            for uid in answer.done:
                untold.pop(uid, None)
            if place in cursor.pending:
                cursor.pending[place] -= answer.done | answer.refused

    def _condition(self) -> tuple[Condition, str]:
        return condition_after(self._account.label, self._cursor, self._tools.settings.mail_bytes)


def _remembered(connection: Connection, account_key: int, folder: str) -> tuple[ledger.FolderState | None, set[str]]:
    """What the ledger has of a folder: its state, and the UIDs that need not be listed again."""
    state = ledger.folder_state(connection, account_key, folder)
    if state is None:
        return None, set()
    return state, ledger.known_uids(connection, account_key, folder, state.uidvalidity) | state.left_behind


def _mark(connection: Connection, account_key: int, place: Place, uids: Collection[str], now: datetime) -> None:
    ledger.mark_acknowledged(connection, account_key, *place, uids, now)


def failed(account_key: int, error: Exception) -> StepReport:
    """The report of a step that ended with an exception; only a Refused is permanent."""
    otherwise = Condition.STORE_UNWELL if isinstance(error, Unavailable) else Condition.PROTOCOL_ERROR
    condition = condition_of(error, otherwise)
    wait = error.retry_after if isinstance(error, Trouble) else None
    reason = str(error) if isinstance(error, ReconcilerError) else f"{type(error).__name__} in the fetch engine"
    return StepReport(account_key, 0, None, condition, reason, True, isinstance(error, Permanent), wait)
