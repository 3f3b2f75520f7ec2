"""Which invoice or Checkout Session counts as what, in the shapes of Stripe's old and new API versions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

import outbox
from outbox.stripe import Rules, SubscriptionState, conversions_of
from outbox.stripe.events import read_event
from outbox.stripe.state import FreePeriod, Observed
from tests.support.stripe_events import NEW, OLD, SESSION, TRIAL, VERSIONS
from tests.support.stripe_invoices import BEGAN, BUYER, CUSTOMER, DAY, INVOICE, MONTH, NOBODY, PAYMENT, SUBSCRIPTION

PURCHASED, RENEWED, UPGRADED = "subscription_purchased", "subscription_renewed", "subscription_upgraded"
AFTER_TRIAL = (TRIAL[1], TRIAL[1] + MONTH)
IN_TRIAL = SubscriptionState(free=[FreePeriod(*TRIAL, opens=True)])

PERSON = outbox.Person(
    email="Ada.Lovelace@Example.com", phone="+493012345678", first_name="Ada", last_name="Lovelace", city="Berlin",
    postal_code="10115", country="DE",
)  # fmt: skip


@pytest.fixture(params=VERSIONS)
def stripe(request):
    return VERSIONS[request.param]


def observed(event, rules=None):
    reading = read_event(event, rules or Rules())
    return reading and reading.observed


def names(conversions):
    return [conversion.name for conversion in conversions]


# Invoices


def test_a_new_subscription_is_a_purchase_with_all_data_of_the_invoice(stripe):
    event = stripe.invoice_paid(metadata={"account_id": "42", "handl_id": "h-1"})
    assert conversions_of(event) == [
        outbox.SubscriptionPurchased(
            event_id=INVOICE,
            occurred_at=datetime.fromtimestamp(BEGAN + 1, UTC),
            value=Decimal("29.90"),
            currency="EUR",
            order_id=INVOICE,
            product="ENCY CAM",
            account_id="42",
            lead_id=CUSTOMER,
            handl_id="h-1",
            person=PERSON,
            details={"origin": "stripe"},
        )
    ]


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("subscription_create", PURCHASED),
        ("subscription_cycle", RENEWED),
        ("subscription_update", UPGRADED),
        ("subscription_threshold", RENEWED),
        ("automatic_pending_invoice_item_invoice", RENEWED),
        ("subscription", RENEWED),
        ("quote_accept", PURCHASED),
        ("upcoming", None),
        ("a_reason_of_the_future", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("kind", ["invoice.paid", "invoice.payment_succeeded"])
def test_an_invoice_counts_by_its_reason(stripe, kind, reason, step):
    event = stripe.invoice_paid(kind=kind, reason=reason, period=(BEGAN + MONTH, BEGAN + 2 * MONTH))
    assert names(conversions_of(event)) == ([step] if step else [])


@pytest.mark.parametrize(
    "reason",
    ["subscription_create", "subscription_cycle", "subscription_update", "subscription", "manual", "quote_accept"],
)
def test_an_invoice_of_which_nothing_was_paid_counts_for_nothing(stripe, reason):
    assert conversions_of(stripe.invoice_paid(reason=reason, paid=0, attempt_count=1)) == []


@pytest.mark.parametrize(("attempts", "expected"), [(1, [PURCHASED]), (0, [])])
def test_a_manual_invoice_counts_if_it_was_charged_itself_and_is_no_receipt(stripe, attempts, expected):
    event = stripe.invoice_paid(reason="manual", subscription=None, attempt_count=attempts)
    assert names(conversions_of(event)) == expected
    if not expected:
        assert observed(event) is None


def test_a_renewal_does_not_identify_the_browser(stripe):
    event = stripe.invoice_paid(reason="subscription_cycle", metadata={"account_id": "42", "handl_id": "h-1"})
    [renewal] = conversions_of(event)
    assert (renewal.account_id, renewal.lead_id, renewal.handl_id) == ("42", CUSTOMER, None)
    [unknown] = conversions_of(
        stripe.invoice_paid(reason="subscription_cycle", customer=None, metadata={"handl_id": "h"})
    )
    assert unknown.handl_id == "h"  # the only key


def test_metadata_of_the_invoice_goes_before_the_subscription_s_and_that_before_a_line_s(stripe):
    line = stripe.line(2990, (BEGAN, BEGAN + MONTH), metadata={"account_id": "line", "handl_id": "line"})
    event = stripe.invoice_paid(lines=[line], metadata={"account_id": "sub"}, own_metadata={"account_id": "invoice"})
    [purchase] = conversions_of(event)
    assert (purchase.account_id, purchase.handl_id) == ("invoice", "line")
    [purchase] = conversions_of(stripe.invoice_paid(lines=[line], metadata={"account_id": "sub"}))
    assert purchase.account_id == "sub"
    [purchase] = conversions_of(stripe.invoice_paid(lines=[line]))
    assert purchase.account_id == "line"


def test_the_keys_of_metadata_are_the_crm_s(stripe):
    event = stripe.invoice_paid(metadata={"user": "7", "visitor": "v", "account_id": "other"})
    [purchase] = conversions_of(event, rules=Rules(account_key="user", handl_key="visitor"))
    assert (purchase.account_id, purchase.handl_id) == ("7", "v")


@pytest.mark.parametrize("handl_id", ["{handlID}", "ada@example.com", "two words", "x" * 300])
def test_an_opaque_id_that_is_none_is_left_out(stripe, handl_id):
    [purchase] = conversions_of(stripe.invoice_paid(metadata={"handl_id": handl_id}))
    assert purchase.handl_id is None


def test_an_invoice_without_customer_data_has_no_person(stripe):
    [purchase] = conversions_of(stripe.invoice_paid(buyer=NOBODY, customer=None))
    assert (purchase.person, purchase.account_id, purchase.lead_id) == (None, None, None)
    [purchase] = conversions_of(stripe.invoice_paid(buyer={**NOBODY, "name": "ENCY"}))
    assert purchase.person == outbox.Person(first_name="ENCY")


@pytest.mark.parametrize(
    ("description", "product"),
    [
        ("1 \u00d7 ENCY CAM (at $11.00 / month)", "ENCY CAM"),
        ("12 \u00d7 ENCY (Robot) (at €30.00 / every 3 months)", "ENCY (Robot)"),
        ("1 \u00d7 noMami - Assinatura Mensal (a R$ 29.90 / month)", "noMami - Assinatura Mensal"),
        ("Setup (2026 edition)", "Setup (2026 edition)"),
    ],
)
def test_the_product_is_named_as_the_line_describes_it(stripe, description, product):
    event = stripe.invoice_paid(lines=[stripe.line(2990, (BEGAN, BEGAN + MONTH), description=description)])
    assert conversions_of(event)[0].product == product


def test_a_proration_names_its_price_if_present_else_the_product_of_the_metadata():
    period = (BEGAN, BEGAN + MONTH)
    for stripe, product in ((OLD, "monthly-eu"), (NEW, "Pro")):
        lines = [
            stripe.line(-1000, period, description="Unused time on ENCY CAM after 3 Dec 2025", is_proration=True),
            stripe.line(2000, period, description="Remaining time on Pro after 3 Dec 2025", is_proration=True),
        ]
        event = stripe.invoice_paid(reason="subscription_update", lines=lines, metadata={"product": "Pro"})
        assert conversions_of(event)[0].product == product
    assert conversions_of(NEW.invoice_paid(lines=[]))[0].product is None


def test_the_product_of_the_line_that_costs_most_counts(stripe):
    period = (BEGAN, BEGAN + MONTH)
    lines = [stripe.line(100, period, description="Seat"), stripe.line(900, period, description="Machine")]
    assert conversions_of(stripe.invoice_paid(lines=lines))[0].product == "Machine"


def test_an_invoice_without_a_payment_time_happened_at_the_time_of_the_event(stripe):
    event = stripe.invoice_paid(status_transitions=None)
    assert conversions_of(event)[0].occurred_at == datetime.fromtimestamp(BEGAN + 2, UTC)


def test_subscriptions_are_found_where_each_version_keeps_them(stripe):
    event = stripe.invoice_paid(reason="subscription_cycle")
    assert observed(event).subscription == SUBSCRIPTION
    expanded = stripe.invoice_paid(reason="subscription_cycle")
    invoice = expanded["data"]["object"]
    holder = invoice["parent"]["subscription_details"] if stripe is NEW else invoice
    holder["subscription"] = {"id": SUBSCRIPTION, "object": "subscription"}
    invoice["customer"] = {"id": CUSTOMER, "object": "customer", "email": "ada@example.com"}
    assert observed(expanded) == observed(event)
    assert conversions_of(expanded) == conversions_of(event)


def test_what_paid_an_invoice_is_remembered_as_far_as_the_version_has_it():
    assert observed(OLD.invoice_paid()) == Observed(
        at=BEGAN + 1, customer=CUSTOMER, payments=(PAYMENT,), order_id=INVOICE
    )
    assert observed(OLD.invoice_paid(payment_intent=None)).payments == ("ch_3SVC8AHOQNg4XnOM0tDpTk0c",)
    assert observed(NEW.invoice_paid()) is None
    payments = {
        "object": "list",
        "data": [
            {"status": status, "payment": {"type": "payment_intent", "payment_intent": payment}}
            for status, payment in (("canceled", "pi_no"), ("paid", PAYMENT), ("paid", "pi_2"))
        ],
    }
    assert observed(NEW.invoice_paid(payments=payments)).payments == (PAYMENT, "pi_2")
    assert observed(NEW.invoice_payment_paid()) == Observed(at=BEGAN + 1, payments=[PAYMENT], order_id=INVOICE)
    assert conversions_of(NEW.invoice_payment_paid()) == []


# Trials, and what follows on them


def test_a_trial_s_invoice_of_nothing_is_remembered(stripe):
    free = [FreePeriod(*TRIAL, opens=True)]
    assert observed(stripe.trial_invoice()) == Observed(
        at=BEGAN + 1, customer=CUSTOMER, subscription=SUBSCRIPTION, free=free
    )
    assert conversions_of(stripe.trial_invoice()) == []


@pytest.mark.parametrize("reason", ["subscription_cycle", "subscription", "subscription_update"])
def test_the_first_payment_after_a_trial_is_the_purchase(stripe, reason):
    event = stripe.invoice_paid(reason=reason, period=AFTER_TRIAL, metadata={"handl_id": "h-1"})
    [payment] = conversions_of(event, IN_TRIAL)
    assert (payment.name, payment.event_id, payment.handl_id) == (PURCHASED, INVOICE, "h-1")
    assert observed(event).subscription == SUBSCRIPTION


@pytest.mark.parametrize(
    ("case", "starts_at", "free", "step"),
    [
        ("no trial is known", TRIAL[1], [], RENEWED),
        ("the cycle after the first", TRIAL[1] + MONTH, [FreePeriod(*TRIAL, opens=True)], RENEWED),
        ("a trial that was ended early", BEGAN + DAY, [FreePeriod(*TRIAL, opens=True)], PURCHASED),
        ("its beginning, which cost nothing", BEGAN, [FreePeriod(*TRIAL, opens=True)], RENEWED),
        ("a credit paid a month in the middle", BEGAN + 7, [FreePeriod(BEGAN, BEGAN + 7)], RENEWED),
        (
            "a coupon paid two months",
            BEGAN + 7,
            [FreePeriod(BEGAN, BEGAN + 3, opens=True), FreePeriod(BEGAN + 3, BEGAN + 7)],
            PURCHASED,
        ),
        (
            "a gap between",
            BEGAN + 7,
            [FreePeriod(BEGAN, BEGAN + 3, opens=True), FreePeriod(BEGAN + 4, BEGAN + 7)],
            RENEWED,
        ),
    ],
)
def test_a_cycle_is_the_first_payment_only_if_it_follows_a_free_period_at_the_beginning(
    stripe, case, starts_at, free, step
):
    event = stripe.invoice_paid(reason="subscription_cycle", period=(starts_at, starts_at + MONTH))
    assert names(conversions_of(event, SubscriptionState(free=free))) == [step], case


def test_use_of_the_trial_that_is_billed_after_it_makes_no_second_purchase(stripe):
    after = TRIAL[1] + MONTH
    lines = [stripe.line(100, (TRIAL[1], after)), stripe.line(2990, (after, after + MONTH))]
    event = stripe.invoice_paid(reason="subscription_cycle", lines=lines)
    assert names(conversions_of(event, IN_TRIAL)) == [RENEWED]


def test_a_month_that_a_coupon_pays_is_remembered_and_a_proration_is_not(stripe):
    period = (BEGAN + MONTH, BEGAN + 2 * MONTH)
    lines = [stripe.line(2990, period), stripe.line(5, (BEGAN, BEGAN + 9), is_proration=True)]
    event = stripe.invoice_paid(reason="subscription_cycle", paid=0, lines=lines)
    assert observed(event).free == [FreePeriod(*period, opens=False)]


def test_trials_count_where_they_are_switched_on_and_once_a_subscription(stripe):
    event = stripe.subscription(metadata={"account_id": "42", "handl_id": "h-1"})
    assert conversions_of(event) == []
    [trial] = conversions_of(event, rules=Rules(trials=True))
    assert trial == outbox.Conversion(
        name="trial_started",
        event_id=SUBSCRIPTION,
        occurred_at=datetime.fromtimestamp(BEGAN, UTC),
        account_id="42",
        lead_id=CUSTOMER,
        handl_id="h-1",
        details={"origin": "stripe", "product": "monthly-eu"},
    )
    later = stripe.subscription("updated", at=BEGAN + DAY, metadata={"account_id": "42", "handl_id": "h-1"})
    assert conversions_of(later, rules=Rules(trials=True)) == [trial]


def test_a_subscription_s_trial_is_remembered_whatever_is_counted(stripe):
    free = [FreePeriod(*TRIAL, opens=True)]
    expected = Observed(at=BEGAN, customer=CUSTOMER, subscription=SUBSCRIPTION, free=free)
    assert observed(stripe.subscription()) == expected
    assert observed(stripe.subscription(status="active")) == expected
    assert observed(stripe.subscription(status="active", trial=None)) is None


def test_a_trial_in_the_middle_of_a_subscription_s_life_is_a_pause(stripe):
    event = stripe.subscription("updated", trial=(BEGAN + 3 * MONTH, BEGAN + 4 * MONTH))
    assert observed(event).free == [FreePeriod(BEGAN + 3 * MONTH, BEGAN + 4 * MONTH, opens=False)]
    assert conversions_of(event, rules=Rules(trials=True)) == []


# Checkout


def test_a_one_off_payment_is_a_purchase_under_its_payment_intent(stripe):
    event = stripe.checkout(metadata={"handl_id": "h-1", "product": "ENCY Robot"}, reference="42")
    assert conversions_of(event) == [
        outbox.SubscriptionPurchased(
            event_id=SESSION,
            occurred_at=datetime.fromtimestamp(BEGAN + 60, UTC),
            value=Decimal(49),
            currency="EUR",
            order_id=PAYMENT,
            product="ENCY Robot",
            account_id="42",
            lead_id=CUSTOMER,
            handl_id="h-1",
            person=PERSON,
            details={"origin": "stripe"},
        )
    ]
    assert observed(event) == Observed(at=BEGAN + 60, customer=CUSTOMER, payments=[PAYMENT], order_id=PAYMENT)


def test_a_delayed_payment_counts_when_it_comes_under_the_same_id(stripe):
    assert conversions_of(stripe.checkout(status="unpaid")) == []
    kind = "checkout.session.async_payment_succeeded"
    [payment] = conversions_of(stripe.checkout(kind=kind, at=BEGAN + 3 * DAY))
    assert (payment.name, payment.event_id, payment.order_id) == (PURCHASED, SESSION, PAYMENT)
    assert payment.occurred_at == datetime.fromtimestamp(BEGAN + 3 * DAY + 60, UTC)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "no_payment_required", "total": 0, "payment_intent": None},
        {"mode": "setup", "status": "no_payment_required", "total": 0},
        {"kind": "checkout.session.async_payment_failed", "status": "unpaid"},
        {"kind": "checkout.session.expired", "status": "unpaid"},
    ],
)
def test_a_session_that_nobody_paid_counts_for_nothing(stripe, fields):
    assert conversions_of(stripe.checkout(**fields)) == []


def test_what_the_buyer_saw_goes_along_and_the_value_stays_in_the_price_s_currency(stripe):
    event = stripe.checkout(presentment_details={"presentment_amount": 8300, "presentment_currency": "jpy"})
    [payment] = conversions_of(event)
    assert (payment.value, payment.currency) == (Decimal(49), "EUR")
    assert payment.details == {
        "origin": "stripe", "presentment_value": Decimal(8300), "presentment_currency": "JPY",
    }  # fmt: skip


def test_a_subscription_s_session_is_no_conversion_but_ties_the_payer(stripe):
    event = stripe.checkout("subscription", reference="42", metadata={"handl_id": "h-1"})
    assert conversions_of(event) == [
        outbox.Conversion(
            name="signed_in",
            event_id=SESSION,
            occurred_at=datetime.fromtimestamp(BEGAN, UTC),
            account_id="42",
            lead_id=CUSTOMER,
            handl_id="h-1",
            person=PERSON,
            details={"origin": "stripe"},
        )
    ]
    assert conversions_of(stripe.checkout("subscription")) == []  # nothing to tie the customer to


@pytest.mark.parametrize(
    ("holds", "account_id", "handl_id"),
    [("account_id", "ref", None), ("handl_id", None, "ref"), ("neither", None, None)],
)
def test_a_client_reference_is_read_as_configured(stripe, holds, account_id, handl_id):
    [payment] = conversions_of(stripe.checkout(reference="ref"), rules=Rules(client_reference=holds))
    assert (payment.account_id, payment.handl_id) == (account_id, handl_id)
    metadata = {"account_id": "42", "handl_id": "h-1"}
    [payment] = conversions_of(stripe.checkout(reference="ref", metadata=metadata), rules=Rules(client_reference=holds))
    assert (payment.account_id, payment.handl_id) == ("42", "h-1")


def test_a_customer_s_account_is_recorded_when_it_is_new(stripe):
    [tie] = conversions_of(stripe.customer(metadata={"account_id": "42"}))
    assert (tie.name, tie.account_id, tie.lead_id) == ("signed_in", "42", CUSTOMER)
    assert tie.person == PERSON
    changed = stripe.customer(
        "updated", metadata={"account_id": "43"}, previous_attributes={"metadata": {}}, at=BEGAN + 9
    )
    [tie] = conversions_of(changed)
    assert (tie.account_id, tie.event_id) == ("43", changed["id"])
    assert (
        conversions_of(stripe.customer("updated", metadata={"account_id": "42"}, previous_attributes={"name": "A"}))
        == []
    )
    assert conversions_of(stripe.customer()) == []


@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "invoice.finalized", "charge.succeeded", "a.new.one", ""])
def test_other_events_count_for_nothing(stripe, kind):
    event = stripe.invoice_paid(kind=kind)
    assert read_event(event, Rules()) is None
    assert conversions_of(event) == []


def test_a_buyer_s_email_is_known_before_they_finish(stripe):
    event = stripe.checkout(customer_details=None, customer_email=BUYER["email"])
    assert conversions_of(event)[0].person == outbox.Person(email=BUYER["email"])
