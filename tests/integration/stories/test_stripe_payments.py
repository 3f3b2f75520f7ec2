"""From Stripe to both destinations: the value of a payment, its account, and the order of its refund."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from hashlib import sha256

import pytest

import outbox
from outbox.stripe import checkout_metadata
from tests.support.stripe_events import NEW, VERSIONS
from tests.support.stripe_invoices import DAY, INVOICE, MONTH, NOBODY, PAYMENT
from tests.support.stripe_log import deliver

CLICKED_AT = (int(time.time()) - 86_400) * 1000
"""A click goes out with events of the next 90 days."""
LANDING = outbox.Visitor(
    ip="203.0.113.7",
    user_agent="Mozilla/5.0 (X11; Linux x86_64)",
    url="https://crm.example/landing",
    fbp="fb.1.1700000000000.1234567890",
    fbc=f"fb.1.{CLICKED_AT}.IwAR2abc",
    ga_client_id="123.456",
    handl_id="h-1",
)
METADATA = checkout_metadata("subscription", account_id=42, handl_id="h-1")["subscription_data"]["metadata"]
NOW = int(time.time()) - 120
LANDED_AT = datetime.fromtimestamp(NOW - 3600, UTC)
"""Before the payment: a click goes out with later events only."""


@pytest.fixture(params=VERSIONS)
def stripe(request):
    return VERSIONS[request.param]


def hashed(key):
    return sha256(key.encode()).hexdigest()


def arrived(spine, destination, name):
    """Return the events of a name that arrived at a destination, each valid there."""
    arrivals = [arrival for arrival in spine.arrivals(destination) if arrival.event_name == name]
    assert [arrival.problems for arrival in arrivals if arrival.problems] == []
    return arrivals


async def test_a_purchase_arrives_with_its_worth_and_with_the_browser_of_the_landing_page(spine, stripe):
    outbox.record(spine.connection, outbox.LeadSubmitted(visitor=LANDING, form="lead-form-ds25", occurred_at=LANDED_AT))
    deliver(spine.connection, stripe.invoice_paid(at=NOW, period=(NOW, NOW + MONTH), metadata=METADATA))
    assert await spine.drain() == 0
    [purchase] = arrived(spine, "meta", "Purchase")
    assert purchase.event["action_source"] == "website"
    custom = purchase.event["custom_data"]
    assert (custom["value"], custom["currency"], custom["order_id"]) == (29.9, "EUR", INVOICE)
    assert "origin" not in custom
    user = purchase.event["user_data"]
    assert (user["fbp"], user["fbc"]) == (LANDING.fbp, LANDING.fbc)
    assert {hashed("42"), hashed("h-1")} <= set(user["external_id"])
    assert user["em"] == [hashed("ada.lovelace@example.com")]
    [purchase] = arrived(spine, "ga4", "purchase")
    parameters = purchase.event["params"]
    assert (parameters["transaction_id"], parameters["value"], parameters["currency"]) == (INVOICE, 29.9, "EUR")
    assert parameters["items"][0]["item_name"] == "ENCY CAM"
    assert (purchase.shared["client_id"], purchase.shared["user_id"]) == ("123.456", "42")


async def test_a_renewal_of_which_stripe_knows_the_customer_only_is_sent_for_the_account(spine, stripe):
    deliver(spine.connection, stripe.checkout("subscription", reference="42", at=NOW - DAY))
    renewal = stripe.invoice_paid(
        reason="subscription_cycle", at=NOW, period=(NOW, NOW + MONTH), subscription_details=None, buyer=NOBODY
    )
    deliver(spine.connection, renewal)
    assert await spine.drain() == 0
    [subscribe] = arrived(spine, "meta", "Subscribe")
    assert subscribe.event["action_source"] == "system_generated"
    assert hashed("42") in subscribe.event["user_data"]["external_id"]
    assert subscribe.event["user_data"]["em"] == [hashed("ada.lovelace@example.com")]  # borrowed from the session
    [purchase] = arrived(spine, "ga4", "purchase")
    assert (purchase.shared["user_id"], purchase.event["params"]["transaction_id"]) == ("42", INVOICE)


async def test_a_purchase_that_came_before_its_session_is_sent_again_with_the_account(spine):
    outbox.record(spine.connection, outbox.LeadSubmitted(visitor=LANDING, form="lead-form-ds25", occurred_at=LANDED_AT))
    deliver(spine.connection, NEW.invoice_paid(at=NOW, period=(NOW, NOW + MONTH)))
    assert await spine.drain() == 0
    deliver(spine.connection, NEW.checkout("subscription", at=NOW - 60, reference="42", metadata={"handl_id": "h-1"}))
    assert await spine.drain() == 0
    first, again = arrived(spine, "meta", "Purchase")
    assert first.event_id == again.event_id == INVOICE
    assert hashed("42") not in first.event["user_data"]["external_id"]
    assert {hashed("42"), hashed("h-1")} <= set(again.event["user_data"]["external_id"])
    assert again.event["user_data"]["fbc"] == LANDING.fbc
    assert len(arrived(spine, "ga4", "purchase")) == 1


@pytest.mark.parametrize("comes_late", [False, True])
async def test_a_refund_is_sent_under_the_original_transaction(spine, stripe, comes_late):
    paid = [stripe.invoice_paid(at=NOW, period=(NOW, NOW + MONTH), metadata=METADATA), NEW.invoice_payment_paid(at=NOW)]
    refunds = [stripe.charge_refunded(1000, at=NOW + 60), stripe.charge_refunded(2990, 1000, at=NOW + 61)]
    for event in refunds + paid if comes_late else paid + refunds:
        deliver(spine.connection, event)
    assert await spine.drain() == 0
    refunds = [arrival.event["params"] for arrival in arrived(spine, "ga4", "refund")]
    assert [(refund["transaction_id"], refund["value"]) for refund in refunds] == [(INVOICE, 10), (INVOICE, 19.9)]
    refunds = [arrival.event for arrival in arrived(spine, "meta", "Refund")]
    assert [(refund["custom_data"]["order_id"], refund["custom_data"]["value"]) for refund in refunds] == [
        (INVOICE, 10),
        (INVOICE, 19.9),
    ]
    assert {tuple(refund["user_data"]["em"]) for refund in refunds} == {(hashed("ada.lovelace@example.com"),)}


async def test_a_one_off_payment_includes_what_the_buyer_saw(spine):
    seen = {"presentment_amount": 8300, "presentment_currency": "jpy"}
    deliver(spine.connection, NEW.checkout(at=NOW, presentment_details=seen, metadata={"product": "ENCY Robot"}))
    assert await spine.drain() == 0
    [purchase] = arrived(spine, "meta", "Purchase")
    custom = purchase.event["custom_data"]
    assert (custom["value"], custom["currency"], custom["order_id"]) == (49, "EUR", PAYMENT)
    assert (custom["presentment_value"], custom["presentment_currency"]) == (8300, "JPY")
    [purchase] = arrived(spine, "ga4", "purchase")
    assert purchase.event["params"]["transaction_id"] == PAYMENT
    assert purchase.event["params"]["presentment_currency"] == "JPY"
