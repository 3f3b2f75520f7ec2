"""The parameters for Checkout, and that they come back in events."""

from __future__ import annotations

import pytest

from outbox.stripe import Rules, checkout_metadata, conversions_of
from tests.support.stripe_events import NEW

KNOWN = {"account_id": "42", "handl_id": "h-1"}


def test_a_subscription_is_given_its_own_metadata_as_it_inherits_none():
    assert checkout_metadata("subscription", account_id=42, handl_id="h-1") == {
        "metadata": KNOWN,
        "subscription_data": {"metadata": KNOWN},
        "client_reference_id": "42",
    }


def test_a_payment_is_given_its_own_and_the_session_names_the_product():
    assert checkout_metadata("payment", account_id="42", handl_id="h-1", product="ENCY Robot") == {
        "metadata": {**KNOWN, "product": "ENCY Robot"},
        "payment_intent_data": {"metadata": KNOWN},
        "client_reference_id": "42",
    }


def test_the_keys_are_the_crm_s():
    rules = Rules(account_key="user", handl_key="visitor", client_reference="handl_id")
    assert checkout_metadata("subscription", account_id="7", handl_id="v", rules=rules) == {
        "metadata": {"user": "7", "visitor": "v"},
        "subscription_data": {"metadata": {"user": "7", "visitor": "v"}},
        "client_reference_id": "v",
    }
    assert "client_reference_id" not in checkout_metadata(
        "payment", account_id=1, rules=Rules(client_reference="neither")
    )


@pytest.mark.parametrize("account_id", ["ada@example.com", "x" * 501, "", "   ", None, "a\0b"])
def test_what_stripe_should_not_hold_is_left_out(account_id):
    assert checkout_metadata("payment", account_id=account_id, product="ada@example.com") == {}


@pytest.mark.parametrize("handl_id", ["ada@example.com", "x" * 300, "", "two words", "{handlID}", None])
def test_an_opaque_id_that_is_none_is_left_out(handl_id):
    assert checkout_metadata("payment", handl_id=handl_id) == {}


def test_a_reference_longer_than_stripe_takes_stays_in_the_metadata_alone():
    parameters = checkout_metadata("subscription", account_id="x" * 201)
    assert parameters["metadata"] == {"account_id": "x" * 201}
    assert "client_reference_id" not in parameters


def test_parameters_come_back_in_events():
    parameters = checkout_metadata("payment", account_id=42, handl_id="h-1", product="ENCY Robot")
    [payment] = conversions_of(
        NEW.checkout(metadata=parameters["metadata"], reference=parameters["client_reference_id"])
    )
    assert (payment.account_id, payment.handl_id, payment.product) == ("42", "h-1", "ENCY Robot")
    parameters = checkout_metadata("subscription", account_id=42, handl_id="h-1")
    [payment] = conversions_of(NEW.invoice_paid(metadata=parameters["subscription_data"]["metadata"]))
    assert (payment.account_id, payment.handl_id) == ("42", "h-1")
