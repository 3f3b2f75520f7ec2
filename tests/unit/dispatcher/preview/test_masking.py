"""Masked payloads: nothing is shown by which somebody can be looked up."""

from __future__ import annotations

from hashlib import sha256

import pytest

from dispatcher.preview import masking
from dispatcher.preview.masking import key
from tests.support.payload_fields import FIELDS

HASH = sha256(b"ada@example.com").hexdigest()


def masked(body, configured=frozenset()):
    return masking.masked(body, FIELDS, configured)


@pytest.mark.parametrize("value", [HASH, f"{HASH}.AQQAAQEA", HASH[:36]])
def test_a_hash_is_shortened_in_any_field(value):
    shown = masked({"user_data": {"em": [value]}, "user_properties": {"user_email_hash": {"value": value}}, "x": value})
    assert value not in str(shown)
    assert shown["user_data"]["em"] == [f"{HASH[:8]}…"]
    assert shown["x"] == f"{HASH[:8]}…"


def test_an_id_from_the_crm_is_shown_whole_even_if_it_looks_like_a_hash():
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
def test_an_ip_address_is_shown_without_its_last_part(address, shown):
    assert masked({"user_data": {"client_ip_address": address}}) == {"user_data": {"client_ip_address": shown}}


def test_a_long_user_agent_is_cut():
    shown = masked({"client_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"})
    assert shown == {"client_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWeb…"}
    assert masked({"client_user_agent": "Mozilla/5.0"}) == {"client_user_agent": "Mozilla/5.0"}


def test_parameters_that_may_hold_free_text_are_hidden():
    parameters = {
        "content_name": "lead-form",
        "comment": "Call Ada",
        "items": [{"item_name": "Pro", "note": "for Ada"}],
        "seats": 3,
    }
    hidden = {"content_name": "lead-form", "comment": "…", "items": [{"item_name": "Pro", "note": "…"}], "seats": 3}
    assert masked({"custom_data": parameters}) == {"custom_data": hidden}
    assert masked({"events": [{"name": "sign_up", "params": parameters}]}) == {
        "events": [{"name": "sign_up", "params": hidden}]
    }


def test_a_configured_parameter_is_shown_whatever_its_name():
    body = {"custom_data": {"plan": "free"}, "events": [{"params": {"plan": "free"}}]}
    assert masked(body, {"plan"}) == body


def test_values_that_are_not_text_are_unchanged():
    body = {"event_time": 1700000000, "custom_data": {"value": 1.5, "items": [{"quantity": 1}], "trial": True}}
    assert masked(body) == body


@pytest.mark.parametrize("name", ["fbp", "fbc", "client_id"])
@pytest.mark.parametrize("value", ["fb.1.1700000000000.1234567890", "123.456"])
def test_a_browser_id_is_shortened(name, value):
    shown = masked({name: value})[name]
    assert shown.endswith("…")
    assert len(shown) - 1 <= min(8, len(value) // 2)


def test_a_page_is_shown_without_its_query():
    shown = masked(
        {"event_source_url": "https://www.example.com/lead?id=7", "referrer_url": "https://www.example.com/"}
    )
    assert shown == {"event_source_url": "https://www.example.com/lead?…", "referrer_url": "https://www.example.com/"}


def test_an_account_that_is_an_email_address_is_cut_and_other_keys_are_not():
    assert [key("ada@example.com"), key("A1"), key("h-2f9c")] == ["ad…", "A1", "h-2f9c"]
    assert masked({"user_id": "ada@example.com"}) == {"user_id": "ad…"}
