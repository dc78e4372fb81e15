"""A referral's moves, and from whom an answer is accepted."""

from __future__ import annotations

from itertools import product

import pytest

from reconciler.core.account import AnswerFrom
from reconciler.core.message import Address
from reconciler.core.referral import FREEMAIL, MOVES, ReferralEvent, ReferralState, is_expected, move

WAITING, ANSWERED, EXPIRED, BOUNCED, WITHDRAWN = ReferralState
ANSWER, BOUNCE, EXPIRE, WITHDRAW = ReferralEvent

LEGAL = {
    (WAITING, ANSWER): ANSWERED,
    (WAITING, BOUNCE): BOUNCED,
    (WAITING, EXPIRE): EXPIRED,
    (WAITING, WITHDRAW): WITHDRAWN,
    (ANSWERED, ANSWER): ANSWERED,
    (ANSWERED, BOUNCE): ANSWERED,
    (BOUNCED, ANSWER): ANSWERED,
    (BOUNCED, BOUNCE): BOUNCED,
    (BOUNCED, WITHDRAW): WITHDRAWN,
    (EXPIRED, ANSWER): ANSWERED,
    (EXPIRED, BOUNCE): EXPIRED,
    (EXPIRED, WITHDRAW): WITHDRAWN,
    (WITHDRAWN, BOUNCE): WITHDRAWN,
}


@pytest.mark.parametrize(("state", "event"), list(product(ReferralState, ReferralEvent)))
def test_only_the_legal_moves_are_possible(state: ReferralState, event: ReferralEvent) -> None:
    assert move(state, event) is LEGAL.get((state, event))


def test_the_table_of_moves_holds_nothing_else() -> None:
    assert MOVES == LEGAL


@pytest.mark.parametrize("state", ReferralState)
def test_a_bounce_is_taken_in_every_state(state: ReferralState) -> None:
    assert move(state, BOUNCE) is not None


def test_what_was_withdrawn_is_not_answered() -> None:
    assert move(WITHDRAWN, ANSWER) is None


CONTACT = "expert@partner.example"
GMAIL = "expert@gmail.com"


@pytest.mark.parametrize(
    ("sender", "contact", "rule", "expected"),
    [
        pytest.param(CONTACT, CONTACT, "address", True, id="same address"),
        pytest.param("EXPERT@Partner.Example", CONTACT, "address", True, id="same address in capitals"),
        pytest.param("expert+tickets@partner.example", CONTACT, "address", True, id="same address with a subaddress"),
        pytest.param("colleague@partner.example", CONTACT, "address", False, id="colleague, address"),
        pytest.param("colleague@partner.example", CONTACT, "domain", True, id="colleague, domain"),
        pytest.param("colleague@PARTNER.example", CONTACT, "domain", True, id="colleague in capitals"),
        pytest.param("colleague@mail.partner.example", CONTACT, "domain", False, id="subdomain"),
        pytest.param("colleague@notpartner.example", CONTACT, "domain", False, id="domain with the same end"),
        pytest.param("stranger@elsewhere.example", CONTACT, "domain", False, id="elsewhere, domain"),
        pytest.param("stranger@elsewhere.example", CONTACT, "any", True, id="elsewhere, any"),
        pytest.param(GMAIL, GMAIL, "domain", True, id="freemail, same address"),
        pytest.param("stranger@gmail.com", GMAIL, "domain", False, id="freemail, neighbour"),
        pytest.param("stranger@GMAIL.com", "Expert@Gmail.com", "domain", False, id="freemail in capitals"),
        pytest.param("stranger@gmail.com", GMAIL, "any", True, id="freemail, any"),
        pytest.param("", CONTACT, "any", False, id="unusable From"),
        pytest.param(None, CONTACT, "any", False, id="no From"),
    ],
)
def test_from_whom_an_answer_is_accepted(sender: str | None, contact: str, rule: str, expected: bool) -> None:
    written = None if sender is None else Address("", sender)
    assert is_expected(written, Address("Expert", contact), AnswerFrom(rule)) is expected


def test_the_display_name_counts_for_nothing() -> None:
    liar = Address(CONTACT, "stranger@elsewhere.example")
    assert not is_expected(liar, Address("Expert", CONTACT), AnswerFrom.DOMAIN)


@pytest.mark.parametrize("domain", sorted(FREEMAIL))
def test_at_a_freemail_domain_the_neighbour_is_a_stranger(domain: str) -> None:
    contact = Address("", f"expert@{domain}")
    assert not is_expected(Address("", f"neighbour@{domain}"), contact, AnswerFrom.DOMAIN)
    assert domain == domain.lower()
