"""The IMAP door as a flow without I/O: lists, fetches, acknowledges, idles; decides neither what to take nor when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.fetch import Fetched, Listed, Listing, Mark
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.protocol.base import Acknowledged, Flow, Taken
from reconciler.protocol.imap_answers import asks_to_wait, folder_argument, in_uid_order, mark_of, uid_groups, uid_set
from reconciler.protocol.imap_failure import throttled, wait
from reconciler.protocol.imap_flow_acknowledge import Acknowledging, add_numbers, present
from reconciler.protocol.imap_flow_bodies import Described, Heads, bodies
from reconciler.protocol.imap_settings import ImapAfterFetch, ImapSettings
from reconciler.protocol.imap_talk import Answer, Talk
from reconciler.protocol.imap_wire import MOST_LINE, MOST_SEARCH_LINE, Response

_UIDS_PER_SEARCH = MOST_SEARCH_LINE // 16
_LISTINGS_BETWEEN = 20
"""After so many listings of what is new only, the whole folder is listed again: servers forget to tell things."""


@dataclass(slots=True)
class Manners:
    """What a host has proved: whether it takes commands that do not wait for each other's answers. None: untried."""

    pipelines: bool | None = None


class ImapFlow:
    """One logged-in IMAP conversation; implements `base.FlowSession` and `base.FlowCopier`.

    `manners` are shared by all of a host.
    """

    login_delay = 0.0

    def __init__(self, settings: ImapSettings, where: str, capabilities: frozenset[str], manners: Manners) -> None:
        self._settings, self._where, self._manners = settings, where, manners
        self.capabilities = capabilities
        self._talk = Talk(where)
        self._acknowledging = Acknowledging(self._talk, where, capabilities, exclusive=settings.expunge == "exclusive")
        self._selected: tuple[str, int, bool] | None = None
        self._idling: bytes | None = None
        self._idles = "IDLE" in capabilities
        self._newest = 0
        self._listings = 0
        self._shown: frozenset[str] = frozenset()

    @property
    def usable(self) -> bool:
        """See `base.FlowSession`: a session that failed is closed by who drives it."""
        return True

    def outgoing(self) -> bytes:
        """See `base.FlowSession`."""
        data = bytes(self._talk.out)
        self._talk.out.clear()
        return data

    def receive(self, data: bytes | memoryview) -> None:
        """See `base.FlowSession`."""
        self._talk.wire.feed(data)

    def list(self, folder: str, known: Collection[str], since: datetime | None) -> Flow[Listing]:
        """See `base.FlowSession`; raises Trouble(THROTTLED) after an answer that said [THROTTLED] although it was good.

        The whole folder at first, every twenty times, and as long as a mail of the last listing is not known: nobody
        has taken it yet. Else what has a higher UID than any seen before.
        """
        if self._talk.told_to_wait:
            raise throttled(self._where)
        yield from self._begin()
        writable = self._settings.after_fetch is not ImapAfterFetch.KEEP
        here = self._selected is not None and (self._selected[0], self._selected[2]) == (folder, writable)
        is_taken = self._shown.issubset(known)
        if here and known and is_taken and self._newest and self._listings < _LISTINGS_BETWEEN:
            self._listings += 1
            listing = yield from self._list_newer(folder)
        else:
            self._listings = 0
            listing = yield from self._list_all(folder, known, since, writable=writable)
        self._shown = frozenset(mail.uid for mail in listing.mails)
        return listing

    def fetch(self, listing: Listing, uids: Sequence[str]) -> Flow[Taken]:
        """See `base.FlowSession`; a large mail comes in pieces, and an empty one is an error beside the others."""
        yield from self._begin()
        yield from self._open(listing, writable=self._settings.after_fetch is not ImapAfterFetch.KEEP)
        mails = {mail.uid: mail for mail in listing.mails}
        wanted = [mails.get(uid, Listed(uid)) for uid in in_uid_order(uids)]
        found = yield from bodies(self._talk, wanted, pipelines=self._pipelines)
        empty = yield from present(self._talk, [uid for uid, raw in found.items() if not raw])
        came = [
            Fetched(listing.folder, listing.uidvalidity, mail.uid, raw, mail.internal_date)
            for mail in wanted
            if (raw := found.get(mail.uid))
        ]
        if not empty:
            return Taken(came)
        text = f"{self._where} gave no content for UID {', '.join(empty)} in {listing.folder}"
        return Taken(came, Trouble(Condition.PROTOCOL_ERROR, text))

    def heads(self, listing: Listing, uids: Sequence[str]) -> Flow[Mapping[str, bytes]]:
        """See `base.FlowSession`."""
        yield from self._begin()
        yield from self._open(listing, writable=self._settings.after_fetch is not ImapAfterFetch.KEEP)
        return (yield from self._heads(uids))

    @property
    def copier(self) -> ImapFlow | None:
        """See `base.FlowSession`."""
        return None if "MOVE" in self.capabilities else self

    def mark(self, folder: str) -> Flow[Mark]:
        """See `base.FlowCopier`."""
        yield from self._begin()
        told: list[bytes] = []
        self._talk.on_other = lambda response: told.extend(response.parts if response.word == b"STATUS" else ())
        tag = self._talk.say(f"STATUS {folder_argument(folder)} (UIDVALIDITY UIDNEXT)")
        answer = yield from self._talk.until(tag)
        self._talk.on_other = None
        if not answer.is_ok:
            raise (yield from self._not_selected(folder, answer, "move_to"))
        return mark_of(self._where, folder, told)

    def came_since(self, mark: Mark) -> Flow[Sequence[bytes]]:
        """See `base.FlowCopier`."""
        yield from self._begin()
        yield from self._open(Listing(mark.folder, mark.uidvalidity, ()), writable=False)
        came: set[int] = set()
        self._talk.on_other = lambda response: add_numbers(came, response)
        yield from self._talk.done(self._talk.say(f"UID SEARCH UID {mark.next_uid}:*"), f"look into {mark.folder}")
        self._talk.on_other = None
        # `n:*` names the last mail even if its UID is below n (RFC 3501 6.4.8).
        heads = yield from self._heads([str(uid) for uid in came if uid >= mark.next_uid])
        return list(heads.values())

    def copy(self, listing: Listing, uids: Sequence[str], to: str) -> Flow[Acknowledged]:
        """See `base.FlowCopier`."""
        self._acknowledging.demand_means(ImapAfterFetch.MOVE)
        yield from self._begin()
        yield from self._open(listing, writable=True)
        refused: set[str] = set()
        for chunk in uid_groups(in_uid_order(uids)):
            refused.update((yield from self._acknowledging.copy(chunk, to)))
        return Acknowledged(frozenset(uids) - refused, frozenset(refused))

    def acknowledge(self, listing: Listing, uids: Sequence[str], how: str, move_to: str | None) -> Flow[Acknowledged]:
        """See `base.FlowSession`; where the server proved to take it, the answers are left for `settle` to hear."""
        action = ImapAfterFetch(how)
        if action is ImapAfterFetch.KEEP or not uids:
            return Acknowledged(done=frozenset(uids))
        if action is ImapAfterFetch.DELETE:
            self._acknowledging.demand_means(action)
        yield from self._begin()
        yield from self._open(listing, writable=True)
        for chunk in uid_groups(in_uid_order(uids)):
            yield from self._acknowledging.tell(chunk, action, move_to, pipelines=self._pipelines)
        return Acknowledged() if self._pipelines else (yield from self.settle(wait=True))

    def settle(self, *, wait: bool) -> Flow[Acknowledged]:
        """See `base.FlowSession`."""
        if self._acknowledging.is_pending:
            yield from self._begin()
        return (yield from self._acknowledging.settle(wait=wait))

    def watch(self) -> bool:
        """See `base.FlowSession`: IDLE (RFC 2177)."""
        if not self._idles or self._selected is None:
            return False
        if self._idling is None:
            self._talk.may_continue = False
            self._idling = self._talk.say("IDLE")
        return True

    def news(self) -> bool:
        """See `base.FlowSession`."""
        while self._talk.take_next():
            pass
        if self._idling is not None and (answer := self._talk.answer(self._idling)) is not None:
            # A server that ends IDLE by itself, or refuses it, is asked at intervals instead.
            self._idling, self._idles = None, self._idles and answer.is_ok
            return True
        return self._talk.news

    def goodbye(self) -> None:
        """See `base.FlowSession`."""
        if self._idling is not None:
            if not self._talk.may_continue:
                return
            self._talk.out += b"DONE\r\n"
        self._talk.say("LOGOUT")

    @property
    def _pipelines(self) -> bool:
        return self._manners.pipelines is True

    def _begin(self) -> Flow[None]:
        """End what waits for news; find out how the host takes commands that do not wait for each other."""
        if self._idling is not None:
            tag, self._idling = self._idling, None
            # RFC 2177: nothing may be said between IDLE and its continuation.
            while not self._talk.may_continue and (answer := self._talk.answer(tag)) is None:
                if not self._talk.take_next():
                    yield
            if self._talk.may_continue:
                self._talk.out += b"DONE\r\n"
                answer = yield from self._talk.until(tag)
            self._idles = self._idles and answer is not None and answer.is_ok
        if self._manners.pipelines is None:
            self._manners.pipelines = False
            for tag in (self._talk.say("NOOP"), self._talk.say("NOOP")):
                yield from self._talk.done(tag, "go on")
            self._manners.pipelines = True

    def _list_all(
        self, folder: str, known: Collection[str], since: datetime | None, *, writable: bool
    ) -> Flow[Listing]:
        uidvalidity = yield from self._select(folder, writable=writable)
        following = int(self._talk.codes.get(b"UIDNEXT", b"0") or 0) or None
        present = yield from self._search(since, following)
        # What a UID stood for before it was given out again is remembered under a name that is no number.
        unknown = sorted(present.difference(int(uid) for uid in known if uid.isdecimal()))
        described = Described()
        for chunk in map(uid_set, uid_groups([str(uid) for uid in unknown])):
            yield from self._fetched(f"UID FETCH {chunk} (RFC822.SIZE INTERNALDATE FLAGS)", described)
        asked = set(unknown)
        mails = tuple(mail for uid, mail in sorted(described.mails.items()) if uid in asked)
        # Searched for with a date, what is older is not in `present`, but has a lower UID than what comes.
        self._newest = max(present, default=0)
        if since is not None and following is not None:
            self._newest = max(self._newest, following - 1)
        return Listing(folder, uidvalidity, mails, next_uid=following)

    def _list_newer(self, folder: str) -> Flow[Listing]:
        assert self._selected is not None
        if not self._talk.news:
            # Alone: a server may look for news only once nothing more is asked (Dovecot does so).
            yield from self._talk.done(self._talk.say("NOOP"), f"list {folder}")
        if not self._talk.news:
            return Listing(folder, self._selected[1], ())
        self._talk.news = False
        described = Described()
        yield from self._fetched(f"UID FETCH {self._newest + 1}:* (RFC822.SIZE INTERNALDATE FLAGS)", described)
        # `n:*` names the last mail even if its UID is below n (RFC 3501 6.4.8).
        mails = tuple(mail for uid, mail in sorted(described.mails.items()) if uid > self._newest)
        if mails:
            self._newest = int(mails[-1].uid)
        return Listing(folder, self._selected[1], mails)

    def _select(self, folder: str, *, writable: bool) -> Flow[int]:
        """Select a folder and return its UIDVALIDITY."""
        self._selected, self._newest = None, 0
        self._talk.codes.clear()
        self._talk.exists = None
        tag = self._talk.say(f"{'SELECT' if writable else 'EXAMINE'} {folder_argument(folder)}")
        answer = yield from self._talk.until(tag)
        self._talk.news = False
        if not answer.is_ok:
            raise (yield from self._not_selected(folder, answer))
        if writable and answer.code == b"READ-ONLY":
            raise Refused(
                Condition.ACKNOWLEDGE_REFUSED,
                f"{self._where} lets this login only read the folder; grant it the right to change, or set "
                "after_fetch: keep",
            )
        told = self._talk.codes.get(b"UIDVALIDITY", b"")
        uidvalidity = int(told) if told.isdigit() else 0
        if not uidvalidity:
            raise Trouble(
                Condition.PROTOCOL_ERROR, f"{self._where} tells no UIDVALIDITY for {folder}; nothing is taken"
            )
        self._selected = (folder, uidvalidity, writable)
        return uidvalidity

    def _not_selected(self, folder: str, answer: Answer, key: str = "folders") -> Flow[Trouble | Refused]:
        if asks_to_wait(answer.text):
            return wait(self._where, answer.text)
        if answer.status == b"BAD":
            return self._talk.refusal(answer, f"open {folder}")
        names = _Names(folder_argument(folder).encode("ascii"))
        self._talk.on_other = names.take
        yield from self._talk.until(self._talk.say(f'LIST "" {folder_argument(folder)}'))
        self._talk.on_other = None
        if names.is_usable:
            return Trouble(Condition.PROTOCOL_ERROR, f"{self._where} does not open {folder} now ({answer.text})")
        return Refused(
            Condition.FOLDER_MISSING,
            f"{self._where} has no folder {folder} ({answer.text}); create it or correct {key}",
        )

    def _search(self, since: datetime | None, following: int | None) -> Flow[set[int]]:
        """The folder's UIDs; with `since` without those of days before the day before it."""
        if self._talk.exists == 0:
            return set()
        # SEARCH looks at the day of INTERNALDATE in whatever zone the server keeps it (RFC 3501 6.4.4).
        what = "ALL" if since is None else f"SINCE {_day(since - timedelta(days=1))}"
        windows = [""]
        if following is not None and (self._talk.exists or 0) > _UIDS_PER_SEARCH:
            starts = range(1, following, _UIDS_PER_SEARCH)
            windows = [f" UID {first}:{first + _UIDS_PER_SEARCH - 1}" for first in starts]
        found: set[int] = set()
        self._talk.on_other = lambda response: add_numbers(found, response)
        for window in windows:
            yield from self._talk.done(self._talk.say(f"UID SEARCH {what}{window}"), "list the folder")
        self._talk.on_other = None
        return found

    def _heads(self, uids: Sequence[str]) -> Flow[Mapping[str, bytes]]:
        shown = Heads(frozenset(uids))
        for chunk in map(uid_set, uid_groups(in_uid_order(uids))):
            yield from self._fetched(f"UID FETCH {chunk} (BODY.PEEK[HEADER])", shown)
        return shown.heads

    def _fetched(self, command: str, into: Described | Heads) -> Flow[None]:
        self._talk.on_fetch, self._talk.wire.most_literal = into.take, into.most_literal
        yield from self._talk.done(self._talk.say(command), "read mails")
        self._talk.on_fetch, self._talk.wire.most_literal = None, MOST_LINE

    def _open(self, listing: Listing, *, writable: bool) -> Flow[None]:
        """Have the listing's folder selected, in the state it was listed in."""
        for mode in (True, writable):
            if self._selected == (listing.folder, listing.uidvalidity, mode):
                return
        if (yield from self._select(listing.folder, writable=writable)) != listing.uidvalidity:
            raise Trouble(
                Condition.PROTOCOL_ERROR, f"{self._where} changed UIDVALIDITY of {listing.folder}; it is listed anew"
            )


class _Names:
    """Whether a LIST answer shows this folder as one that can be opened."""

    def __init__(self, name: bytes) -> None:
        self._name, self.is_usable = name.strip(b'"').replace(b'\\"', b'"').replace(b"\\\\", b"\\"), False

    def take(self, response: Response) -> None:
        values = response.values(1) if response.word == b"LIST" else []
        if len(values) != 3 or not isinstance(values[0], list) or values[2] != self._name:
            return
        flags = {flag.lower() for flag in values[0] if isinstance(flag, bytes)}
        self.is_usable = self.is_usable or flags.isdisjoint({b"\\noselect", b"\\nonexistent"})


def _day(when: datetime) -> str:
    """A date as SEARCH takes it (RFC 3501 section 9), whatever the locale."""
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][when.month - 1]
    return f"{when.day}-{month}-{when.year:04}"
