"""The IMAP flow over written-down conversations: what it says, when, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.fetch import Listed, Listing
from reconciler.core.health import Condition, Trouble
from reconciler.protocol import imap_flow_bodies
from reconciler.protocol.base import Flow
from reconciler.protocol.imap_flow import ImapFlow, Manners
from reconciler.protocol.imap_settings import ImapSettings

OFFERS = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "IDLE"})
LISTING = Listing("INBOX", 7, (Listed("3", 4), Listed("9", 4)))
SELECTED = "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 10] ok\r\nR1 OK [READ-WRITE] selected\r\n"
BODIES = "* 1 FETCH (UID 3 BODY[] {4}\r\nsome)\r\n* 2 FETCH (UID 9 BODY[] {4}\r\nmore)\r\n"


def flow(*, pipelines: bool | None = True, offers: Iterable[str] = OFFERS, **changes: Any) -> ImapFlow:
    given = {"host": "mail.example", "username": "support", "password": {"secret": "any"}, **changes}
    return ImapFlow(ImapSettings.model_validate(given), "it", frozenset(offers), Manners(pipelines))


class Scene:
    """A conversation that is played line by line; `said` is what was said since it was last looked at."""

    def __init__(self, session: ImapFlow) -> None:
        self.session = session

    @property
    def said(self) -> list[str]:
        return self.session.outgoing().decode().splitlines()

    def start(self, work: Flow[Any]) -> Flow[Any]:
        next(work)
        return work

    def hears(self, work: Flow[Any], answer: str | bytes) -> Any:
        """The result of the work if it is over by this answer, else None."""
        self.session.receive(answer.encode() if isinstance(answer, str) else answer)
        try:
            next(work)
        except StopIteration as end:
            return end.value
        return None

    def select(self) -> None:
        """Have the folder open, as a fetch does; what was said is forgotten."""
        work = self.start(self.session.fetch(LISTING, ["3"]))
        self.hears(work, SELECTED)
        self.hears(work, "* 1 FETCH (UID 3 BODY[] {4}\r\nsome)\r\nR2 OK done\r\n")
        assert len(self.said) == 2


@pytest.fixture
def scene() -> Scene:
    made = Scene(flow())
    made.select()
    return made


def test_the_next_mails_are_asked_for_before_the_last_acknowledgement_is_answered(scene: Scene) -> None:
    with pytest.raises(StopIteration) as told:
        next(scene.session.acknowledge(LISTING, ["3"], "delete", None))
    assert told.value.value.done == frozenset()
    work = scene.start(scene.session.fetch(LISTING, ["9"]))
    assert scene.said == [
        "R3 UID STORE 3 +FLAGS.SILENT (\\Deleted)",
        "R4 UID EXPUNGE 3",
        "R5 UID FETCH 9 (BODY.PEEK[])",
    ]
    assert scene.hears(work, "R3 OK\r\n* 1 EXPUNGE\r\nR4 OK\r\n") is None
    taken = scene.hears(work, "* 1 FETCH (UID 9 BODY[] {4}\r\nmore)\r\nR5 OK\r\n")
    assert [mail.raw for mail in taken.mails] == [b"more"]
    with pytest.raises(StopIteration) as settled:
        next(scene.session.settle(wait=False))
    assert settled.value.value.done == {"3"}


def test_where_it_is_not_proved_every_command_waits_for_the_answer_before() -> None:
    scene = Scene(flow(pipelines=False))
    scene.select()
    work = scene.start(scene.session.acknowledge(LISTING, ["3"], "delete", None))
    assert scene.said == ["R3 UID STORE 3 +FLAGS.SILENT (\\Deleted)"]
    scene.hears(work, "R3 OK\r\n")
    assert scene.said == ["R4 UID EXPUNGE 3"]
    assert scene.hears(work, "R4 OK\r\n").done == {"3"}


def test_a_host_proves_once_that_it_takes_commands_together() -> None:
    manners = Manners()
    scene = Scene(flow())
    scene.session._manners = manners
    work = scene.start(scene.session.list("INBOX", (), None))
    assert scene.said == ["R1 NOOP", "R2 NOOP"]
    assert manners.pipelines is False
    scene.hears(work, "R1 OK\r\nR2 OK\r\n")
    assert scene.said == ['R3 SELECT "INBOX"']
    assert manners.pipelines is True


def test_a_copy_that_is_refused_is_not_certain() -> None:
    scene = Scene(flow(offers={"UIDPLUS"}))
    scene.select()
    work = scene.start(scene.session.copy(LISTING, ["3"], "Done"))
    assert scene.said == ['R3 UID COPY 3 "Done"']
    assert scene.hears(work, "R3 NO over quota\r\n") is None
    assert scene.said == ["R4 NOOP"]
    scene.hears(work, "R4 OK\r\n")
    assert scene.hears(work, "* SEARCH 3\r\nR5 OK\r\n").refused == {"3"}
    assert scene.said == ["R5 UID SEARCH UID 3"]


def idling(scene: Scene) -> None:
    assert scene.session.watch()
    assert scene.said == ["R3 IDLE"]


def test_nothing_is_said_between_idle_and_its_continuation(scene: Scene) -> None:
    idling(scene)
    work = scene.start(scene.session.fetch(LISTING, ["9"]))
    assert scene.said == []
    scene.hears(work, "+ idling\r\n")
    assert scene.said == ["DONE"]
    scene.hears(work, "R3 OK\r\n")
    assert scene.said == ["R4 UID FETCH 9 (BODY.PEEK[])"]


@pytest.mark.parametrize(
    ("told", "news"),
    [
        ("+ idling\r\n", False),
        ("+ idling\r\n* OK still here\r\n", False),
        ("+ idling\r\n* 2 EXISTS\r\n", False),
        ("+ idling\r\n* 3 EXISTS\r\n* 1 RECENT\r\n", True),
        ("+ idling\r\n* 1 EXPUNGE\r\n* 2 EXISTS\r\n", True),
        ("R3 NO not now\r\n", True),
        ("R3 BAD what\r\n", True),
        ("+ idling\r\nR3 OK enough\r\n", True),
    ],
)
def test_idling_tells_of_new_mail_and_of_its_end(scene: Scene, told: str, news: bool) -> None:
    idling(scene)
    scene.session.receive(told.encode())
    assert scene.session.news() is news


def test_a_server_that_refuses_idle_is_not_asked_again(scene: Scene) -> None:
    idling(scene)
    scene.session.receive(b"R3 NO not now\r\n")
    assert scene.session.news()
    assert not scene.session.watch()


def test_after_a_wake_up_only_what_is_new_is_listed() -> None:
    scene = Scene(flow())
    work = scene.start(scene.session.list("INBOX", (), None))
    scene.hears(work, SELECTED)
    scene.hears(work, "* SEARCH 3 9\r\nR2 OK\r\n")
    described = "* 1 FETCH (UID 3 RFC822.SIZE 4)\r\n* 2 FETCH (UID 9 RFC822.SIZE 4)\r\nR3 OK\r\n"
    assert [mail.uid for mail in scene.hears(work, described).mails] == ["3", "9"]
    assert scene.said[1:] == ["R2 UID SEARCH ALL", "R3 UID FETCH 3,9 (RFC822.SIZE INTERNALDATE FLAGS)"]
    scene.session.watch()
    scene.session.receive(b"+ idling\r\n* 3 EXISTS\r\n")
    assert scene.session.news()
    work = scene.start(scene.session.list("INBOX", {"3", "9"}, None))
    assert scene.said == ["R4 IDLE", "DONE"]
    scene.hears(work, "R4 OK\r\n")
    assert scene.said == ["R5 UID FETCH 10:* (RFC822.SIZE INTERNALDATE FLAGS)"]
    found = scene.hears(work, "* 2 FETCH (UID 9 RFC822.SIZE 4)\r\n* 3 FETCH (UID 12 RFC822.SIZE 5)\r\nR5 OK\r\n")
    assert [mail.uid for mail in found.mails] == ["12"]


def test_mails_that_were_listed_and_not_taken_are_listed_again() -> None:
    scene = Scene(flow())
    described = "* 1 FETCH (UID 3 RFC822.SIZE 4)\r\n* 2 FETCH (UID 9 RFC822.SIZE 4)\r\n"
    work = scene.start(scene.session.list("INBOX", (), None))
    scene.hears(work, SELECTED)
    scene.hears(work, "* SEARCH 3 9\r\nR2 OK\r\n")
    assert len(scene.hears(work, f"{described}R3 OK\r\n").mails) == 2

    work = scene.start(scene.session.list("INBOX", {"3"}, None))
    scene.hears(work, SELECTED.replace("R1", "R4"))
    scene.hears(work, "* SEARCH 3 9\r\nR5 OK\r\n")
    assert [mail.uid for mail in scene.hears(work, f"{described}R6 OK\r\n").mails] == ["9"]


def test_a_large_mail_comes_in_pieces(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_flow_bodies, "PIECE", 4)
    listing = Listing("INBOX", 7, (Listed("9", 7),))
    work = scene.start(scene.session.fetch(listing, ["9"]))
    assert scene.said == ["R3 UID FETCH 9 (BODY.PEEK[]<0.4>)"]
    scene.hears(work, "* 2 FETCH (UID 9 BODY[]<0> {4}\r\nmore)\r\nR3 OK\r\n")
    assert scene.said == ["R4 UID FETCH 9 (BODY.PEEK[]<4.4>)"]
    [mail] = scene.hears(work, "* 2 FETCH (UID 9 BODY[]<4> {3}\r\n it)\r\nR4 OK\r\n").mails
    assert mail.raw == b"more it"


@pytest.mark.parametrize(("still", "fails"), [("9", True), ("", False)], ids=["is there", "vanished"])
def test_half_of_a_large_mail_is_none(scene: Scene, monkeypatch: pytest.MonkeyPatch, still: str, fails: bool) -> None:
    monkeypatch.setattr(imap_flow_bodies, "PIECE", 4)
    work = scene.start(scene.session.fetch(Listing("INBOX", 7, (Listed("9", 7),)), ["9"]))
    scene.hears(work, "* 2 FETCH (UID 9 BODY[]<0> {4}\r\nmore)\r\nR3 OK\r\n")
    scene.hears(work, "* 2 EXPUNGE\r\nR4 OK\r\n")
    scene.hears(work, "R5 OK\r\n")
    taken = scene.hears(work, f"* SEARCH {still}\r\nR6 OK\r\n")
    assert (taken.mails, taken.trouble is not None) == ([], fails)


def test_a_piece_larger_than_asked_for_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_flow_bodies, "PIECE", 4)
    work = scene.start(scene.session.fetch(Listing("INBOX", 7, (Listed("9", 7),)), ["9"]))
    with pytest.raises(Trouble, match="more than was asked for"):
        scene.hears(work, "* 2 FETCH (UID 9 BODY[]<0> {7}\r\nmore it)\r\nR3 OK\r\n")


ODDITIES: dict[str, tuple[str, Condition | Sequence[bytes]]] = {
    "two answers for a UID": (BODIES + "* 2 FETCH (UID 9 BODY[] NIL)\r\nR3 OK\r\n", [b"some", b"more"]),
    "flags between": ("* 5 FETCH (FLAGS (\\Seen))\r\n" + BODIES + "R3 OK\r\n", [b"some", b"more"]),
    "another's body": (BODIES + "* 5 FETCH (UID 99 BODY[] {1}\r\nx)\r\nR3 OK\r\n", [b"some", b"more"]),
    "EXPUNGE and EXISTS between": ("* 1 EXPUNGE\r\n" + BODIES + "* 7 EXISTS\r\nR3 OK\r\n", [b"some", b"more"]),
    "one vanished": ("* 2 FETCH (UID 9 BODY[] {4}\r\nmore)\r\nR3 OK\r\n", [b"more"]),
    "literal shorter than said": (BODIES.replace("{4}", "{5}", 1) + "R3 OK\r\n", Condition.PROTOCOL_ERROR),
    "literal longer than said": (BODIES.replace("{4}", "{3}", 1) + "R3 OK\r\n", Condition.PROTOCOL_ERROR),
    "garbage for the answer": (BODIES + "R3 WELL done\r\n", Condition.PROTOCOL_ERROR),
    "another's tag": (BODIES + "X9 OK done\r\n", Condition.PROTOCOL_ERROR),
    "BYE": ("* BYE closed\r\n", Condition.UNREACHABLE),
    "BYE, too many": ("* BYE Too many simultaneous connections\r\n", Condition.THROTTLED),
    "NO, throttled": ("R3 NO [THROTTLED] wait\r\n", Condition.THROTTLED),
}


@pytest.mark.parametrize(("told", "outcome"), ODDITIES.values(), ids=ODDITIES.keys())
@given(cuts=st.lists(st.integers(0, 200), max_size=5))
def test_whatever_comes_between_mails_are_whole_or_nothing(
    told: str, outcome: Condition | Sequence[bytes], cuts: Sequence[int]
) -> None:
    scene = Scene(flow())
    scene.select()
    work = scene.start(scene.session.fetch(LISTING, ["3", "9"]))
    data = told.encode()
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    found: Any = None
    try:
        for start, end in zip([0, *ends], ends, strict=False):
            found = found or scene.hears(work, data[start:end])
    except Trouble as error:
        found = error.condition
    assert (found if isinstance(found, Condition) else [mail.raw for mail in found.mails]) == outcome


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_an_error_or_too_little(data: bytes) -> None:
    scene = Scene(flow())
    scene.select()
    work = scene.start(scene.session.fetch(LISTING, ["3"]))
    found: Any = None
    try:
        found = scene.hears(work, data)
    except Trouble as error:
        found = error.condition
    assert found in (None, Condition.PROTOCOL_ERROR, Condition.UNREACHABLE)
