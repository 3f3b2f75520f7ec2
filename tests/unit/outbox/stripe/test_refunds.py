"""Refunds: what each event adds, under the original order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

import outbox
from outbox.stripe import SubscriptionState, conversions_of
from outbox.stripe.events import read_event
from outbox.stripe.rules import Rules
from outbox.stripe.state import Observed, Refund, RefundStep, read, write
from tests.support.stripe_events import NEW, OLD, VERSIONS
from tests.support.stripe_invoices import BEGAN, CHARGE, CUSTOMER, DAY, INVOICE, PAYMENT

AT = BEGAN + 3 * DAY
OURS = {"account_id": "42", "handl_id": "h-1"}


@pytest.fixture(params=VERSIONS)
def stripe(request):
    return VERSIONS[request.param]


def step(event, rules=None):
    return read_event(event, rules or Rules()).observed.step


def test_a_partial_refund_is_what_the_event_adds_under_the_original_order(stripe):
    event = stripe.charge_refunded(3000, 2000, metadata={"account_id": "42"})
    [refund] = conversions_of(event, SubscriptionState(order_id=INVOICE, added=1000))
    assert refund == outbox.SubscriptionRefunded(
        event_id=f"{CHARGE}:3000",
        occurred_at=datetime.fromtimestamp(AT, UTC),
        value=Decimal(10),
        currency="EUR",
        order_id=INVOICE,
        account_id="42",
        lead_id=CUSTOMER,
        details={"origin": "stripe"},
    )


def test_a_refund_observed_holds_no_personal_data(stripe):
    event = stripe.charge_refunded(2990, 990)
    observed = read_event(event, Rules()).observed
    kept = Refund(event_id=f"{CHARGE}:2990", at=AT, currency="EUR", customer=CUSTOMER)
    own = INVOICE if stripe is OLD else None
    expected = RefundStep(before=990, after=2990, refund=kept, order_id=own)
    assert observed == Observed(at=AT, customer=CUSTOMER, payments=[PAYMENT], step=expected)
    assert b"ada" not in write(observed).lower()
    assert b"Berlin" not in write(observed)


@pytest.mark.parametrize(
    ("case", "event", "order_id"),
    [
        ("its invoice, as in charges before basil", OLD.charge_refunded(10), INVOICE),
        ("a payment without an invoice", OLD.charge_refunded(10, of=None), PAYMENT),
        (
            "a payment of before there were PaymentIntents",
            OLD.charge_refunded(10, of=None, payment_intent=None),
            CHARGE,
        ),
        ("nothing: no longer in the charge", NEW.charge_refunded(10), None),
        ("a payment that carries our metadata has no invoice", NEW.charge_refunded(10, metadata=OURS), PAYMENT),
        ("nor had it before", OLD.charge_refunded(10, metadata=OURS), PAYMENT),
    ],
)
def test_the_order_in_the_charge(case, event, order_id):
    assert step(event).order_id == order_id, case


def test_a_refund_whose_order_is_not_known_waits(stripe):
    assert conversions_of(stripe.charge_refunded(2990), SubscriptionState(added=2990)) == []


def test_a_refund_that_adds_nothing_counts_for_nothing(stripe):
    assert conversions_of(stripe.charge_refunded(2990), SubscriptionState(order_id=INVOICE)) == []


@pytest.mark.parametrize(
    "event",
    [
        NEW.charge_refunded(0),
        NEW.charge_refunded(2990, 2990),
        NEW.charge_refunded(2990, captured=False),  # a cancelled authorisation
        NEW.charge_refunded(2990, currency=None),
        NEW.charge_refunded(2990, id=None),
    ],
)
def test_where_nothing_went_back_nothing_counts(event):
    assert read_event(event, Rules()) is None


def test_the_amount_before_is_zero_where_it_is_absent(stripe):
    assert (step(stripe.charge_refunded(2990, None)).before, step(stripe.charge_refunded(2990, None)).after) == (
        0,
        2990,
    )


def test_the_time_is_the_newest_refund_s_where_the_charge_lists_them():
    refunds = {"object": "list", "data": [{"id": "re_2", "created": AT - 5}, {"id": "re_1", "created": AT - DAY}]}
    [refund] = conversions_of(
        OLD.charge_refunded(2990, refunds=refunds), SubscriptionState(order_id=INVOICE, added=2990)
    )
    assert refund.occurred_at == datetime.fromtimestamp(AT - 5, UTC)


def test_a_guest_s_refund_carries_the_person_and_others_carry_their_keys(stripe):
    state = SubscriptionState(order_id=PAYMENT, added=2990)
    [refund] = conversions_of(stripe.charge_refunded(2990, customer=None), state)
    assert refund.person.email == "Ada.Lovelace@Example.com"
    [refund] = conversions_of(stripe.charge_refunded(2990), state)
    assert refund.person is None


def test_a_guest_s_refund_carries_the_only_key_that_is_known():
    event = NEW.charge_refunded(2990, customer=None, metadata={"handl_id": "h-1"})
    [refund] = conversions_of(event, SubscriptionState(order_id=PAYMENT, added=2990))
    assert refund.handl_id == "h-1"
    event = NEW.charge_refunded(2990, metadata={"handl_id": "h-1"})
    [refund] = conversions_of(event, SubscriptionState(order_id=PAYMENT, added=2990))
    assert (refund.handl_id, refund.lead_id) == (None, CUSTOMER)


@pytest.mark.parametrize(
    ("event", "order_id"),
    [(OLD.invoice_paid(), INVOICE), (NEW.invoice_payment_paid(), INVOICE), (NEW.checkout(), PAYMENT)],
)
def test_the_event_that_names_the_order_releases_what_waited(event, order_id):
    waiting = Refund(event_id=f"{CHARGE}:500", at=AT, currency="JPY", customer=CUSTOMER, account_id="42", amount=500)
    refund = conversions_of(event, SubscriptionState(order_id=order_id, released=[waiting]))[-1]
    assert refund == outbox.SubscriptionRefunded(
        event_id=f"{CHARGE}:500", occurred_at=datetime.fromtimestamp(AT, UTC), value=Decimal(500), currency="JPY",
        order_id=order_id, lead_id=CUSTOMER, account_id="42", details={"origin": "stripe"},
    )  # fmt: skip


def test_the_database_s_result_is_understood():
    answer = '{"free": [[1, 2, true]], "order_id": null, "added": 7, "released": [{"event_id": "c:1", "at": 3, "currency": "EUR", "amount": 4}]}'
    state = read(answer)
    assert (state.added, state.order_id, state.free[0].opens, state.released[0].amount) == (7, None, True, 4)
