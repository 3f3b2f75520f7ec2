"""Typed conversions: one class per funnel step, without personal data in their repr."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest

import outbox
from outbox.taxonomy import FUNNEL

REQUIRED = {"account_id": 42, "value": Decimal("99.50"), "currency": "EUR", "order_id": "o-1"}
CLASSES = {
    "lead_submitted": outbox.LeadSubmitted,
    "trial_downloaded": outbox.TrialDownloaded,
    "account_created": outbox.AccountCreated,
    "trial_started": outbox.TrialStarted,
    "subscription_purchased": outbox.SubscriptionPurchased,
    "subscription_renewed": outbox.SubscriptionRenewed,
    "subscription_upgraded": outbox.SubscriptionUpgraded,
    "subscription_refunded": outbox.SubscriptionRefunded,
    "demo_requested": outbox.DemoRequested,
    "email_verified": outbox.EmailVerified,
    "signed_in": outbox.SignedIn,
}
PAYMENTS = [name for name in CLASSES if name.startswith("subscription_")]


def required_of(kind):
    return {
        field.name: REQUIRED[field.name]
        for field in dataclasses.fields(kind)
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }


def made(kind, **fields):
    return kind(**required_of(kind) | fields)


def test_every_step_of_the_funnel_has_its_class():
    assert list(CLASSES) == [step.name for step in FUNNEL]
    assert set(CLASSES.values()) == {
        value
        for value in vars(outbox).values()
        if isinstance(value, type) and issubclass(value, outbox.Conversion) and value is not outbox.Conversion
    }


@pytest.mark.parametrize(("name", "kind"), CLASSES.items())
def test_a_class_bears_the_name_of_its_step_and_no_other(name, kind):
    assert made(kind).name == name
    with pytest.raises(TypeError, match="name"):
        made(kind, name="lead_submitted")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("account_created", {"account_id"}),
        ("trial_started", {"account_id"}),
        ("signed_in", {"account_id"}),
        *((name, {"value", "currency", "order_id"}) for name in PAYMENTS),
        *((name, set()) for name in ("lead_submitted", "trial_downloaded", "demo_requested", "email_verified")),
    ],
)
def test_what_a_step_cannot_do_without_is_asked_for(name, fields):
    required = required_of(CLASSES[name])
    assert set(required) == fields
    for field in fields:
        with pytest.raises(TypeError, match=field):
            CLASSES[name](**{key: value for key, value in required.items() if key != field})


def test_a_step_of_another_funnel_is_written_by_name():
    conversion = outbox.Conversion(name="demo_booked", details={"room": 7})
    assert conversion.name == "demo_booked"
    assert conversion.all_details() == {"room": 7}


def test_a_step_s_own_fields_are_details_and_go_before_those_given_as_details():
    conversion = outbox.LeadSubmitted(
        form="lead-form-ds25", value=5, details={"form": "other", "currency": "USD", "anything": [1]}
    )
    assert conversion.all_details() == {"form": "lead-form-ds25", "value": 5, "currency": "USD", "anything": [1]}
    assert conversion.details == {"form": "other", "currency": "USD", "anything": [1]}


@pytest.mark.parametrize(
    ("conversion", "details"),
    [
        (outbox.LeadSubmitted(form="f", product="p", value=0, currency="EUR"),
         {"form": "f", "product": "p", "value": 0, "currency": "EUR"}),
        (outbox.TrialDownloaded(form="f", product="p"), {"form": "f", "product": "p"}),
        (outbox.AccountCreated(account_id=1, product="p"), {"product": "p"}),
        (outbox.TrialStarted(account_id=1, product="p", predicted_ltv=900, currency="EUR"),
         {"product": "p", "predicted_ltv": 900, "currency": "EUR"}),
        (outbox.SubscriptionPurchased(value=99, currency="EUR", order_id=7, product="p", predicted_ltv=1),
         {"value": 99, "currency": "EUR", "order_id": 7, "product": "p", "predicted_ltv": 1}),
        (outbox.DemoRequested(form="f", product="p", content_category="dealer", value=1, currency="EUR"),
         {"form": "f", "product": "p", "content_category": "dealer", "value": 1, "currency": "EUR"}),
        (outbox.EmailVerified(), {}),
        (outbox.SignedIn(account_id=1, details=None), {}),
    ],
)  # fmt: skip
def test_all_details_are_those_of_the_step_without_the_keys_of_the_person(conversion, details):
    assert conversion.all_details() == details


@pytest.mark.parametrize("kind", CLASSES.values())
def test_nothing_of_a_person_is_printed(kind):
    conversion = made(
        kind,
        event_id="shared-1",
        handl_id="secret-handl",
        lead_id="secret-lead",
        person=outbox.Person(email="secret@example.com"),
        visitor=outbox.Visitor(ip="203.0.113.7", user_agent="secret"),
        details={"comment": "secret"},
    )
    for shown in (repr(conversion), str(conversion), f"{conversion}", f"{[conversion]}", f"{conversion!r:>300}"):
        assert shown.strip(" []").startswith(f"{kind.__name__}(name=")
        assert "secret" not in shown
        assert "203.0.113.7" not in shown
        assert "shared-1" in shown


@pytest.mark.parametrize("kind", CLASSES.values())
def test_a_conversion_is_a_value_that_does_not_change(kind):
    at = datetime(2026, 5, 24, tzinfo=UTC)
    one, other = made(kind, event_id="a", occurred_at=at), made(kind, event_id="a", occurred_at=at)
    assert one == other == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))
    assert one != dataclasses.replace(one, event_id="b")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.event_id = "b"


def test_a_constructor_raises_for_no_value():
    for odd in (None, object(), "\0\ud800", float("nan"), b"", [], {}):
        outbox.Conversion(name=odd, event_id=odd, occurred_at=odd, person=odd, visitor=odd, consent=odd, details=odd)
        outbox.SubscriptionPurchased(value=odd, currency=odd, order_id=odd, product=odd, predicted_ltv=odd)
