"""How an IMAP flow tells the server of stored mails, and hears later what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from reconciler.core.health import Condition, Refused
from reconciler.protocol.base import Acknowledged, Flow
from reconciler.protocol.imap_answers import asks_to_wait, folder_argument, uid_groups, uid_set
from reconciler.protocol.imap_failure import wait as waiting
from reconciler.protocol.imap_settings import ImapAfterFetch
from reconciler.protocol.imap_talk import Answer, Talk
from reconciler.protocol.imap_wire import Response, WireError


@dataclass(slots=True)
class _Told:
    """Commands that tell of these mails, and the answers so far."""

    uids: Sequence[str]
    commands: Callable[[str], list[str]]
    move_to: str | None
    tags: list[bytes] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


class Acknowledging:
    """What the server was told of and has not answered yet, in this order."""

    def __init__(self, talk: Talk, where: str, capabilities: frozenset[str], *, exclusive: bool) -> None:
        self._talk, self._where = talk, where
        self._uidplus = "UIDPLUS" in capabilities
        self._exclusive = exclusive
        self._told: list[_Told] = []

    @property
    def is_pending(self) -> bool:
        """Whether an answer is still to be heard."""
        return bool(self._told)

    def demand_means(self, action: ImapAfterFetch) -> None:
        """Raises Refused(ACKNOWLEDGE_REFUSED) if the server lacks what it takes to delete."""
        if not self._uidplus and not self._exclusive:
            raise Refused(
                Condition.ACKNOWLEDGE_REFUSED,
                f"{self._where} offers no UIDPLUS, so after_fetch: {action.value} could remove other people's mails; "
                "set expunge: exclusive if nobody else uses this mailbox, or after_fetch: seen",
            )

    def tell(self, uids: Sequence[str], action: ImapAfterFetch, move_to: str | None, *, pipelines: bool) -> Flow[None]:
        """Say it; without `pipelines` each command waits for the answer of the one before."""
        told = _Told(uids, partial(self._commands, action=action, move_to=move_to), move_to)
        yield from self._say(told, pipelines=pipelines)
        self._told.append(told)

    def copy(self, uids: Sequence[str], to: str) -> Flow[Sequence[str]]:
        """Copy these and hear what becomes of it; which are refused."""
        told = _Told(uids, partial(_copying, to=to), to)
        yield from self._say(told, pipelines=False)
        return () if all(a.is_ok for a in told.answers) else (yield from self._refused(told))

    def _say(self, told: _Told, *, pipelines: bool) -> Flow[None]:
        for command in told.commands(uid_set(told.uids)):
            told.tags.append(self._talk.say(command))
            if not pipelines:
                answer = yield from self._talk.until(told.tags.pop())
                told.answers.append(answer)
                if not answer.is_ok:
                    break

    def settle(self, *, wait: bool) -> Flow[Acknowledged]:
        """See `base.FlowSession.settle`."""
        while self._talk.take_next():
            pass
        done, refused = set[str](), set[str]()
        while self._told:
            told = self._told[0]
            if not (yield from self._heard(told, wait=wait)):
                break
            del self._told[0]
            missing = (yield from self._refused(told)) if not all(a.is_ok for a in told.answers) else ()
            refused.update(missing)
            done.update(set(told.uids).difference(missing))
        return Acknowledged(frozenset(done), frozenset(refused))

    def _commands(self, uids: str, action: ImapAfterFetch, move_to: str | None) -> list[str]:
        remove = [
            f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)",
            f"UID EXPUNGE {uids}" if self._uidplus else "EXPUNGE",
        ]
        match action:
            case ImapAfterFetch.SEEN:
                return [f"UID STORE {uids} +FLAGS.SILENT (\\Seen)"]
            case ImapAfterFetch.DELETE:
                return remove
            case ImapAfterFetch.MOVE if move_to is not None:
                return [f"UID MOVE {uids} {folder_argument(move_to)}"]
        raise ValueError("move needs a folder")

    def _heard(self, told: _Told, *, wait: bool) -> Flow[bool]:
        while told.tags:
            answer = self._talk.answer(told.tags[0])
            if answer is None and not wait:
                return False
            told.answers.append(answer if answer is not None else (yield from self._talk.until(told.tags[0])))
            del told.tags[0]
        return True

    def _refused(self, told: _Told) -> Flow[Sequence[str]]:
        """What the server refuses of these. One vanished mail is no reason to refuse the others."""
        self._look_for_reasons(told)
        there = yield from present(self._talk, told.uids)
        if not there or len(there) == len(told.uids):
            return there
        again = _Told(there, told.commands, told.move_to)
        yield from self._say(again, pipelines=False)
        self._look_for_reasons(again)
        return () if all(a.is_ok for a in again.answers) else there

    def _look_for_reasons(self, told: _Told) -> None:
        """Raises for a refusal whose reason is not the mails'."""
        for answer in told.answers:
            if answer.is_ok:
                continue
            if asks_to_wait(answer.text):
                raise waiting(self._where, answer.text)
            if answer.status == b"BAD":
                raise self._talk.refusal(answer, "tell it of stored mails")
            if told.move_to is not None and answer.code == b"TRYCREATE":
                raise Refused(
                    Condition.FOLDER_MISSING,
                    f"{self._where} has no folder {told.move_to} ({answer.text}); create it or correct move_to",
                )


def _copying(uids: str, to: str) -> list[str]:
    return [f"UID COPY {uids} {folder_argument(to)}"]


def present(talk: Talk, uids: Sequence[str]) -> Flow[Sequence[str]]:
    """Which of these the folder holds now: servers tell of vanished mail in odd ways (RFC 2180 section 4)."""
    if not uids:
        return ()
    yield from talk.done(talk.say("NOOP"), "look again")
    found: set[int] = set()
    talk.on_other = lambda response: add_numbers(found, response)
    for chunk in uid_groups(uids):
        yield from talk.done(talk.say(f"UID SEARCH UID {uid_set(chunk)}"), "look again")
    talk.on_other = None
    return tuple(uid for uid in uids if int(uid) in found)


def add_numbers(found: set[int], response: Response) -> None:
    """Add what a SEARCH answer names. Raises WireError for one that names no numbers."""
    if response.word != b"SEARCH":
        return
    try:
        found.update(map(int, response.text.split()[1:]))
    except ValueError as error:
        raise WireError("a SEARCH answer without numbers") from error
