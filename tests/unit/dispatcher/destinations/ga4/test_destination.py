"""What GA4 is sent: its parameters, under GA4's own limits."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

import pytest

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from dispatcher.destinations.base import Outcome, Payload
from dispatcher.destinations.ga4.destination import build, classify
from dispatcher.destinations.http_client import Reply
from dispatcher.identity.profile import profile_from_event
from dispatcher.models import Route
from dispatcher.reasons import Refusal
from outbox.sealing import seal
from tests.support.examples import NOW, delivery

LEAD = Route("generate_lead", value=0, currency="EUR")
PURCHASE = Route("purchase")
EMAIL = sha256(b"johnsmith@gmail.com").hexdigest()
PHONE = "1e231c66011e7a2d867a9cfae267a6aff103cf4913640b6e71a99850fc0ffbc8"


def built(route=LEAD, now=NOW, consent_default="granted", **fields):
    pending = delivery(**fields)
    return build(pending, profile_from_event(pending.event), route, now, consent_default=consent_default)


def envelope(**fields):
    return json.loads(built(**fields).envelope)


def parameters(route=LEAD, **fields):
    return json.loads(built(route, **fields).body)["params"]


def test_the_envelope_carries_the_whole_identity():
    sealed = seal({"email": "John.Smith@gmail.com", "phone": "+1 650 555 1212", "country": "US"}).to_json()
    assert envelope(
        sealed=sealed, visitor={"ga_client_id": "123.456"}, account_id="acc-5", handl_id="H1", campaign={"source": "fb"}
    ) == {
        "client_id": "123.456",
        "user_id": "acc-5",
        "user_data": {"sha256_email_address": [EMAIL], "sha256_phone_number": [PHONE]},
        "user_properties": {
            "user_country": {"value": "us"},
            "lead_source": {"value": "fb"},
            "user_email_hash": {"value": EMAIL[:36]},
            "user_phone_hash": {"value": PHONE[:36]},
            "handlID": {"value": "H1"},
        },
        "consent": {"ad_user_data": "GRANTED", "ad_personalization": "GRANTED"},
    }


def test_consent_denied_keeps_the_event_and_drops_the_person():
    sealed = seal({"email": "a@b.co", "country": "US"}).to_json()
    sent = envelope(sealed=sealed, account_id="5", handl_id="H1", consent={"ad_user_data": "denied"})
    assert sent["consent"]["ad_user_data"] == "DENIED"
    assert "user_id" not in sent
    assert "user_data" not in sent
    assert set(sent["user_properties"]) == {"user_country"}


@pytest.mark.parametrize("country", ["ann@example.com", "Limassol", "x" * 1000, "+357"])
def test_what_is_no_country_code_is_not_sent_as_one(country):
    assert "user_country" not in str(envelope(sealed={"country": country}))


def test_consent_to_personalisation_is_passed_on_alone():
    sent = envelope(account_id="5", consent={"ad_personalization": "denied"})
    assert sent["consent"] == {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"}
    assert sent["user_id"] == "5"


def test_the_event_carries_its_own_time_and_the_shared_id():
    event = json.loads(built(event_id="shared", details={"form": "lead-form-ds25", "product": "ency-cam"}).body)
    assert event["name"] == "generate_lead"
    assert event["timestamp_micros"] == int((NOW - timedelta(minutes=1)).timestamp()) * 1_000_000
    assert event["params"] == {
        "event_id": "shared",
        "engagement_time_msec": 1,
        "value": 0,
        "currency": "EUR",
        "method": "lead-form-ds25",
        "product": "ency-cam",
        "content_category": "ency-cam",
    }


def test_without_a_browser_the_client_id_comes_from_the_events_own_key_and_stays_the_same():
    by_account = envelope(handl_id="H1", lead_id="1", account_id="5")["client_id"]
    assert by_account == envelope(account_id=" 5 ", details={"form": "other"})["client_id"]
    others = [envelope(**{key: "5"})["client_id"] for key in ("lead_id", "handl_id")]
    assert len({by_account, *others}) == 3  # lead 5 and account 5 are not one person


def test_user_id_is_the_account_else_the_lead_and_never_an_address():
    assert envelope(lead_id="17")["user_id"] == "lead:17"
    assert envelope(lead_id="17", account_id="5")["user_id"] == "5"
    assert envelope(account_id="Ada@Example.com")["user_id"] == sha256(b"ada@example.com").hexdigest()


@pytest.mark.parametrize(
    ("began", "is_sent"),
    [
        (timedelta(minutes=30), True),
        (timedelta(hours=23, minutes=59), True),
        (timedelta(hours=24), False),
        (timedelta(minutes=-5), False),
    ],
)
def test_a_session_is_named_only_while_it_is_fresh(began, is_sent):
    session = str(int((NOW - began).timestamp()))
    assert ("session_id" in parameters(visitor={"ga_session_id": session})) is is_sent


def test_a_purchase_carries_order_and_item():
    sent = parameters(PURCHASE, details={"value": 49.9, "currency": "EUR", "order_id": "in_1", "product": "pro"})
    assert sent["transaction_id"] == "in_1"
    assert sent["items"] == [{"item_id": "pro", "item_name": "pro", "quantity": 1, "price": 49.9}]


def test_a_purchase_without_an_order_has_its_event_id_as_transaction_id():
    assert parameters(PURCHASE, event_id="e9", details={"value": 1, "currency": "EUR"})["transaction_id"] == "e9"


@pytest.mark.parametrize("details", [{}, {"value": 10}, {"currency": "EUR"}])
def test_a_purchase_without_value_and_currency_fails(details):
    assert built(PURCHASE, details=details) == Refusal("failed", "missing value")


def test_limits_are_kept_by_cutting_and_leaving_out():
    details = {
        "form": "f" * 300, "ga_x": 1, "google_x": 1, "_x": 1, "firebase_conversion": 1, "gtag.x": 1, "n" * 41: 1,
        "1st": 1, "email": "a@b.c", "note": "mail ada@example.com", **{f"extra_{number}": number for number in range(40)},
    }  # fmt: skip
    sent = parameters(details=details)
    assert len(sent) == 25
    assert sent["method"] == "f" * 100
    assert set(sent) - {f"extra_{number}" for number in range(40)} == {
        "event_id", "engagement_time_msec", "value", "currency", "method",
    }  # fmt: skip


def test_items_are_kept_within_their_limits():
    items = [{"item_id": "a", "price": "3.5", "colour": "red", "item_name": "x" * 200}, {"price": 1}, "b", None]
    sent = parameters(PURCHASE, details={"value": 1, "currency": "EUR", "items": items * 200})
    assert len(sent["items"]) <= 200
    assert sent["items"][0] == {"item_id": "a", "price": 3.5, "item_name": "x" * 100}


def test_only_events_of_one_envelope_share_a_request():
    payloads = [
        Payload(delivery(), b'{"name":"a"}', [], None, envelope)
        for envelope in (b'{"client_id":"1.1"}', b'{"client_id":"2.2"}')
    ] * 30
    groups = list(registry.create("ga4", "ga4", Settings(), Config()).requests(payloads))
    assert sorted(len(group) for group in groups) == [5, 5, 25, 25]
    assert all(len({payload.envelope for payload in group}) == 1 for group in groups)


def test_a_request_stays_below_130_kb():
    payloads = [Payload(delivery(), b"x" * 20_000, [], None, b"{}")] * 25
    for group in registry.create("ga4", "ga4", Settings(), Config()).requests(payloads):
        assert sum(len(payload.body) for payload in group) < 130_000


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Outcome.DELIVERED),
        (200, Outcome.DELIVERED),
        (429, Outcome.THROTTLED),
        (403, Outcome.HALTED),
        (302, Outcome.HALTED),
        (413, Outcome.REJECTED),
        (502, Outcome.UNCERTAIN),
        (503, Outcome.TRANSIENT),
        (404, Outcome.TRANSIENT),
    ],
)
def test_replies_are_classified_by_status(status, outcome):
    assert classify(Reply(status, {}, b"")).outcome is outcome
