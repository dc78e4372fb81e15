"""Who sends a mail of ours, through whose server, and where answers and bounces go."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.errors import Invalid
from reconciler.core.message import Address
from reconciler.core.revision import AppliedAccount
from reconciler.core.sender import Sending, customer_sending, referral_sending, submission_account, token_address
from tests.states import account, applied_account, document

TOKEN = "k2" + "a" * 32
SMTP = {"host": "mail.acme.example"}


def made(account_id: str, kind: str = "inbound", unit: str = "acme", **keys: Any) -> AppliedAccount:
    return applied_account(unit, document("acme", account(account_id, kind, **keys)).accounts[0])


def among(*accounts: AppliedAccount) -> Any:
    return {a.account.id: a for a in accounts}.get


def sent_to_customer(inbound: AppliedAccount, system: AppliedAccount | None, *others: AppliedAccount) -> Sending | None:
    return customer_sending(inbound, among(inbound, *others), system, among(*others), "Acme Ltd", TOKEN)


INBOUND = made("support", smtp=SMTP)
MUTE = made("support")
REPLY = made("reply", "reply", smtp=SMTP)
MUTE_REPLY = made("reply", "reply")


@pytest.mark.parametrize(
    ("asked", "others", "via"),
    [
        pytest.param(REPLY, [], "reply", id="its own server"),
        pytest.param(made("reply", "reply", send_from="support"), [INBOUND], "support", id="another account's"),
        pytest.param(made("reply", "reply", send_from="support"), [MUTE], None, id="the other has none"),
        pytest.param(made("reply", "reply", send_from="gone"), [INBOUND], None, id="there is no such account"),
        pytest.param(MUTE_REPLY, [INBOUND], None, id="neither"),
    ],
)
def test_through_whose_server_an_account_sends(
    asked: AppliedAccount, others: list[AppliedAccount], via: str | None
) -> None:
    found = submission_account(asked, among(*others))
    assert (found.account.id if found else None) == via


@pytest.mark.parametrize(
    ("subaddressing", "expected"),
    [("+", f"reply+{TOKEN}@acme.example"), ("-", f"reply-{TOKEN}@acme.example"), ("off", "reply@acme.example")],
)
def test_a_forward_comes_from_the_system_account_and_goes_back_to_it(subaddressing: str, expected: str) -> None:
    system = made("reply", "reply", smtp=SMTP, subaddressing=subaddressing)
    sending = referral_sending(system, among(), TOKEN)
    assert sending == Sending(system, Address("Reply", "reply@acme.example"), Address("Reply", expected), expected)


def test_a_system_account_that_cannot_send_forwards_nothing() -> None:
    assert referral_sending(MUTE_REPLY, among(INBOUND), TOKEN) is None


def test_a_local_part_too_long_for_a_token_is_told() -> None:
    long = made("reply", "reply", address="r" * 40 + "@acme.example", subaddressing="+")
    with pytest.raises(Invalid, match="too long for subaddressing"):
        token_address(long, TOKEN)


def test_a_mail_to_a_customer_comes_from_the_inbound_account() -> None:
    support = Address("Support", "support@acme.example")
    assert sent_to_customer(INBOUND, REPLY, REPLY) == Sending(INBOUND, support, support, "support@acme.example")


def test_an_inbound_account_may_send_through_another() -> None:
    inbound = made("support", send_from="reply")
    sending = sent_to_customer(inbound, None, REPLY)
    assert sending is not None
    assert (sending.via, sending.sender.address) == (REPLY, "support@acme.example")


@pytest.mark.parametrize(
    "inbound", [MUTE, made("support", smtp=SMTP, relay_from="reply-account")], ids=["no smtp", "relay_from"]
)
def test_else_the_reply_account_sends_under_the_tenants_name_and_the_answer_comes_back_to_the_inbound_account(
    inbound: AppliedAccount,
) -> None:
    sending = sent_to_customer(inbound, REPLY, REPLY)
    assert sending is not None
    assert (sending.via, sending.sender) == (REPLY, Address("Acme Ltd", "reply@acme.example"))
    assert (sending.reply_to, sending.mail_from) == (Address("Support", "support@acme.example"), "support@acme.example")


def test_answers_and_bounces_of_a_mail_to_a_customer_carry_the_token_where_the_server_takes_it() -> None:
    sending = sent_to_customer(made("support", smtp=SMTP, subaddressing="+"), REPLY, REPLY)
    assert sending is not None
    assert sending.mail_from == sending.reply_to.address == f"support+{TOKEN}@acme.example"
    assert sending.sender.address == "support@acme.example"


def test_relay_from_the_reply_account_is_of_no_use_without_one() -> None:
    inbound = made("support", smtp=SMTP, relay_from="reply-account")
    sending = sent_to_customer(inbound, None)
    assert sending is not None
    assert sending.sender.address == "support@acme.example"


@pytest.mark.parametrize("system", [None, MUTE_REPLY], ids=["no reply account", "reply account without smtp"])
def test_if_nobody_can_send_nothing_is_sent(system: AppliedAccount | None) -> None:
    assert sent_to_customer(MUTE, system) is None
