"""One IMAP conversation without I/O: tags, answers, and what a server says unasked; knows no mailbox's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.core.health import Condition, Trouble
from reconciler.protocol.base import Flow
from reconciler.protocol.connection import said
from reconciler.protocol.imap_answers import asks_to_wait
from reconciler.protocol.imap_failure import wait
from reconciler.protocol.imap_wire import Response, Value, Wire, WireError

Items = Mapping[bytes, Value]
"""What a FETCH response says of a mail, by item in capitals."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The tagged answer to a command: OK, NO or BAD, its response code, and its words for a person."""

    status: bytes
    code: bytes
    text: str

    @property
    def is_ok(self) -> bool:
        """Whether the command was carried out."""
        return self.status == b"OK"


class Talk:
    """What was said and is still to be answered. `where` names the server in errors.

    `codes` are the untagged response codes since they were last cleared, `exists` the folder's mails as last told,
    `news` whether that has grown since it was last set to False. `on_fetch` is given each FETCH response that names a
    UID, `on_other` each other untagged response that carries data.
    """

    def __init__(self, where: str) -> None:
        self.wire = Wire()
        self.where = where
        self.out = bytearray()
        self.codes: dict[bytes, bytes] = {}
        self.exists: int | None = None
        self.news = False
        self.told_to_wait = False
        self.may_continue = False
        self.on_fetch: Callable[[str, Items], None] | None = None
        self.on_other: Callable[[Response], None] | None = None
        self._said = 0
        self._unanswered: set[bytes] = set()
        self._answers: dict[bytes, Answer] = {}

    def say(self, command: str) -> bytes:
        """Queue a command; its tag."""
        self._said += 1
        tag = b"R%d" % self._said
        self.out += tag + b" " + command.encode("ascii") + b"\r\n"
        self._unanswered.add(tag)
        return tag

    def answer(self, tag: bytes) -> Answer | None:
        """The answer to this command, given out once; None as long as there is none."""
        return self._answers.pop(tag, None)

    def until(self, tag: bytes) -> Flow[Answer]:
        """Take in what comes until this command is answered. Raises Trouble if the server ends or talks nonsense."""
        while (answer := self.answer(tag)) is None:
            if not self.take_next():
                yield
        return answer

    def done(self, tag: bytes, doing: str) -> Flow[None]:
        """Wait for an OK. Raises Trouble otherwise: THROTTLED if it asks to wait, else PROTOCOL_ERROR."""
        answer = yield from self.until(tag)
        if not answer.is_ok:
            raise self.refusal(answer, doing)

    def refusal(self, answer: Answer, doing: str) -> Trouble:
        """What a NO or BAD means that nothing else explains."""
        if asks_to_wait(answer.text):
            return wait(self.where, answer.text)
        return self.nonsense(f"{doing}: {answer.text or answer.status.decode()}")

    def nonsense(self, what: str) -> Trouble:
        """The server does not keep to the protocol."""
        return Trouble(Condition.PROTOCOL_ERROR, f"{self.where} gave no proper answer; could not {what}")

    def take_next(self) -> bool:
        """Take in one response if a whole one has come."""
        try:
            response = self.wire.next()
            if response is None:
                return False
            self._take(response)
        except WireError as error:
            raise self.nonsense(f"read it: {error}") from error
        return True

    def _take(self, response: Response) -> None:
        if response.tag == b"*":
            self._untagged(response)
        elif response.tag == b"+":
            self.may_continue = True
        elif response.tag in self._unanswered and response.word in (b"OK", b"NO", b"BAD"):
            self._unanswered.discard(response.tag)
            code, _ = self._coded(response)
            words = said(response.text.partition(b" ")[2])
            self._answers[response.tag] = Answer(response.word, code, words)
        else:
            raise WireError(said(response.tag + b" " + response.text))

    def _untagged(self, response: Response) -> None:
        if (numbered := response.numbered) is not None:
            self._numbered(response, *numbered)
        elif response.word == b"BYE":
            raise self._bye(said(response.text))
        elif response.word in (b"OK", b"NO", b"BAD"):
            code, argument = self._coded(response)
            if code:
                self.codes[code] = argument
        elif self.on_other is not None:
            self.on_other(response)

    def _numbered(self, response: Response, number: int, word: bytes) -> None:
        match word:
            case b"EXISTS":
                self.news = self.news or number > (self.exists or 0)
                self.exists = number
            case b"EXPUNGE":
                self.exists = max((self.exists or 0) - 1, 0)
            case b"FETCH" if self.on_fetch is not None:
                items = _items(response)
                uid = items.get(b"UID")
                # Only a UID says which mail is meant: sequence numbers shift under the feet of several commands.
                if isinstance(uid, bytes) and uid.isdigit():
                    self.on_fetch(str(int(uid)), items)

    def _coded(self, response: Response) -> tuple[bytes, bytes]:
        code, argument = response.code or (b"", b"")
        if code == b"THROTTLED":
            self.told_to_wait = True
        return code, argument

    def _bye(self, text: str) -> Trouble:
        if asks_to_wait(text):
            return wait(self.where, text)
        return Trouble(Condition.UNREACHABLE, f"{self.where} ended the session ({text})")


def _items(response: Response) -> dict[bytes, Value]:
    values = response.values(2)
    if len(values) != 1 or not isinstance(values[0], list) or len(values[0]) % 2:
        raise WireError("a FETCH response that cannot be read")
    flat = values[0]
    found: dict[bytes, Value] = {}
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        if not isinstance(name, bytes):
            raise WireError("a FETCH response that cannot be read")
        found[name.upper()] = value
    return found
