"""What is shown of a payload: nothing by which somebody can be looked up."""

from __future__ import annotations

from hashlib import sha256

import pytest

from dispatcher.masking import masked

HASH = sha256(b"ada@example.com").hexdigest()


@pytest.mark.parametrize("value", [HASH, f"{HASH}.AQQAAQEA", HASH[:36]])
def test_a_hash_is_shortened_wherever_it_stands(value):
    shown = masked({"user_data": {"em": [value]}, "user_properties": {"user_email_hash": {"value": value}}, "x": value})
    assert value not in str(shown)
    assert shown["user_data"]["em"] == [f"{HASH[:8]}…"]
    assert shown["x"] == f"{HASH[:8]}…"


def test_an_id_of_the_crm_is_shown_whole_whatever_it_looks_like():
    body = {"event_id": HASH, "params": {"transaction_id": HASH, "event_id": HASH}, "custom_data": {"order_id": HASH}}
    assert masked(body) == body


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("203.0.113.7", "203.0.113.…"),
        ("2001:db8:85a3::8a2e:370:7334", "2001:0db8:85a3:…"),
        ("::1", "0000:0000:0000:…"),
        ("no address", "…"),
    ],
)
def test_an_address_is_shown_without_its_last_part(address, shown):
    assert masked({"user_data": {"client_ip_address": address}}) == {"user_data": {"client_ip_address": shown}}


def test_a_long_user_agent_is_cut():
    shown = masked({"client_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"})
    assert shown == {"client_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWeb…"}
    assert masked({"client_user_agent": "Mozilla/5.0"}) == {"client_user_agent": "Mozilla/5.0"}


def test_what_is_no_text_stays_as_it_is():
    body = {"event_time": 1700000000, "custom_data": {"value": 1.5, "items": [{"quantity": 1}], "trial": True}}
    assert masked(body) == body
