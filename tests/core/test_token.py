from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Invalid
from reconciler.core.message import parse_head
from reconciler.core.token import (
    Purpose,
    Rung,
    TokenKey,
    TokenRecord,
    address_token,
    find_tokens,
    format_key,
    parse_keys,
    signed_message_id,
    verify,
)

KEY = TokenKey("k2", bytes(range(32)))
OLD = TokenKey("ka", bytes(range(1, 33)))
RECORD = TokenRecord(
    id=0x0123456789ABCDEF,
    tenant="acme",
    purpose=Purpose.FORWARD,
    case_id=5,
    referral_id=7,
    contact="Expert@firm.example",
    expires_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
SIGNED = {"hop": 2, "instance": "desk-1", "domain": "acme.example"}


def head_with(**headers: str):
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return parse_head("\r\n".join([*lines, "", ""]).encode())


def found_in_address(token: str):
    return find_tokens(head_with(To=f"reply+{token}@acme.example"))


def test_a_token_has_34_lower_case_characters():
    token = address_token(KEY, RECORD)
    assert len(token) == 34
    assert set(token) <= set(ALPHABET)


@given(
    number=st.integers(0, 2**64 - 1),
    case=st.integers(1, 2**63 - 1),
    referral=st.none() | st.integers(1, 2**63 - 1),
    contact=st.text(max_size=40),
    purpose=st.sampled_from(Purpose),
)
def test_what_was_made_is_found_and_verified(number, case, referral, contact, purpose):
    record = TokenRecord(number, "acme", purpose, case, referral, contact, RECORD.expires_at)
    message_id = signed_message_id(KEY, record, hop=3, instance="desk-1", domain="acme.example")
    head = head_with(To=f"reply+{address_token(KEY, record)}@acme.example", In_Reply_To=message_id)
    in_address, in_id = find_tokens(head)
    assert (in_address.id, in_id.id) == (number, number)
    assert (in_id.hop, in_id.instance) == (3, "desk-1")
    assert verify(in_address, record, (KEY,))
    assert verify(in_id, record, (OLD, KEY))


@given(place=st.integers(0, 33), letter=st.sampled_from(ALPHABET))
def test_a_token_with_one_other_character_is_never_valid(place, letter):
    token = address_token(KEY, RECORD)
    other = token[:place] + letter + token[place + 1 :]
    (found,) = found_in_address(other)
    assert verify(found, RECORD, (KEY, OLD)) is (other == token)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "globex"},
        {"purpose": Purpose.CASE},
        {"case_id": 6},
        {"referral_id": 8},
        {"referral_id": None},
        {"contact": "other@firm.example"},
        {"expires_at": RECORD.expires_at + timedelta(seconds=1)},
        {"id": RECORD.id + 1},
    ],
    ids=str,
)
def test_a_token_is_valid_for_nothing_but_its_record(change):
    (found,) = found_in_address(address_token(KEY, RECORD))
    assert not verify(found, replace(RECORD, **change), (KEY,))


def test_neighbouring_fields_cannot_trade_characters():
    one = replace(RECORD, case_id=12, referral_id=3)
    other = replace(RECORD, case_id=1, referral_id=23)
    assert address_token(KEY, one) != address_token(KEY, other)


def test_the_contacts_case_and_fractions_of_a_second_do_not_count():
    same = replace(RECORD, contact="EXPERT@FIRM.example", expires_at=RECORD.expires_at + timedelta(milliseconds=400))
    assert address_token(KEY, RECORD) == address_token(KEY, same)


def test_a_message_ids_token_is_worthless_in_an_address():
    token = signed_message_id(KEY, RECORD, **SIGNED)[1:35]
    (found,) = found_in_address(token)
    assert found.id == RECORD.id
    assert not verify(found, RECORD, (KEY,))


def test_an_addresses_token_is_worthless_in_a_message_id():
    head = head_with(In_Reply_To=f"<{address_token(KEY, RECORD)}.h2.desk-1@acme.example>")
    (found,) = find_tokens(head)
    assert not verify(found, RECORD, (KEY,))


@pytest.mark.parametrize(("old", "new"), [(".h2.", ".h1."), (".h2.", ".h0."), ("desk-1", "desk-2")])
def test_hop_and_instance_cannot_be_altered(old, new):
    message_id = signed_message_id(KEY, RECORD, **SIGNED)
    (altered,) = find_tokens(head_with(In_Reply_To=message_id.replace(old, new)))
    assert not verify(altered, RECORD, (KEY,))


def test_a_rotated_key_still_verifies_and_a_removed_one_no_more():
    (found,) = found_in_address(address_token(OLD, RECORD))
    assert verify(found, RECORD, (KEY, OLD))
    assert not verify(found, RECORD, (KEY,))


@pytest.mark.parametrize(
    ("header", "template"),
    [
        ("To", "reply+{}@acme.example"),
        ("To", "Desk <reply-{}@acme.example>"),
        ("Cc", "x@y.example, reply+{}@acme.example"),
        ("Delivered-To", "reply+{}@acme.example"),
        ("X-Original-To", "reply+{}@acme.example"),
    ],
)
def test_a_token_is_found_in_every_recipient_header_whatever_its_case(header, template):
    token = address_token(KEY, RECORD)
    head = parse_head(f"{header}: {template.format(token.upper())}\r\n\r\n".encode())
    (found,) = find_tokens(head)
    assert (found.rung, found.token) == (Rung.RECIPIENT_TOKEN, token)


@pytest.mark.parametrize(
    "local",
    ["reply+" + "a" * 33, "reply+" + "a" * 35, "reply" + "a" * 34, "reply+" + "1" * 34, "a" * 34],
    ids=["short", "long", "no-delimiter", "other-alphabet", "alone"],
)
def test_a_truncated_or_foreign_shape_is_no_token(local):
    assert find_tokens(head_with(To=f"{local}@acme.example")) == ()


def test_rungs_come_strongest_first_and_references_newest_first():
    records = [replace(RECORD, id=number) for number in range(5)]
    ids = [signed_message_id(KEY, record, **SIGNED) for record in records]
    head = head_with(
        References=f"{ids[0]} <foreign@x.example> {ids[1]} {ids[2]}",
        In_Reply_To=ids[2],
        To=f"reply+{address_token(KEY, records[4])}@acme.example",
    )
    found = find_tokens(head, (ids[3],))
    assert [(token.rung, token.id) for token in found] == [
        (Rung.RECIPIENT_TOKEN, 4),
        (Rung.IN_REPLY_TO, 2),
        (Rung.REFERENCES, 1),
        (Rung.REFERENCES, 0),
        (Rung.ORIGINAL_MESSAGE_ID, 3),
    ]


def test_thousands_of_tokens_in_one_mail_are_bounded():
    ids = " ".join(signed_message_id(KEY, replace(RECORD, id=n), **SIGNED) for n in range(300))
    assert len(find_tokens(head_with(References=ids))) == 64


def test_keys_survive_their_file():
    assert parse_keys(f"{format_key(KEY)}\n\n{format_key(OLD)}\r\n") == (KEY, OLD)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{good}\nk3:CANARYCANARY", "line 2"),
        ("{good}\nk3 canary", "line 2"),
        ("{good}\n\nK3:{secret}", "line 3"),
        ("{good}\nk3:canary1canary0", "line 2"),
        ("{good}\n{good}", "line 2"),
        ("k3:kanäry", "line 1"),
    ],
    ids=["too-short", "no-colon", "bad-id", "not-base32", "twice", "not-ascii"],
)
def test_a_wrong_key_file_names_the_line_and_never_the_secret(text, line):
    good = format_key(KEY)
    with pytest.raises(Invalid) as caught:
        parse_keys(text.format(good=good, secret=good[3:]))
    assert line in str(caught.value)
    assert good[3:] not in str(caught.value)
    assert "canary" not in str(caught.value).lower()
    assert caught.value.__cause__ is None


def test_an_empty_key_file_is_refused():
    with pytest.raises(Invalid, match="key new"):
        parse_keys("\n")


def test_a_key_does_not_print_its_secret():
    assert "secret" not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hop": -1},
        {"hop": 1000},
        {"instance": "Desk 1"},
        {"instance": "x>\r\nBcc: a"},
        {"domain": "a b"},
        {"domain": ""},
    ],
    ids=str,
)
def test_a_message_id_of_other_parts_is_refused(wrong):
    with pytest.raises(Invalid):
        signed_message_id(KEY, RECORD, **(SIGNED | wrong))


def test_a_record_without_time_zone_or_with_an_id_too_large_is_refused():
    with pytest.raises(Invalid):
        replace(RECORD, expires_at=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(Invalid):
        replace(RECORD, id=2**64)
