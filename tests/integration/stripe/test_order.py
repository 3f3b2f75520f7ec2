"""Stripe delivers at least once, in any order and several at a time: the log is the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outbox.stripe import Rules
from tests.support.stripe_events import NEW, OLD, SESSION, TRIAL
from tests.support.stripe_invoices import BEGAN, CHARGE, CUSTOMER, DAY, INVOICE, MONTH, PAYMENT, SUBSCRIPTION
from tests.support.stripe_log import clear, deliver, life, log, summary

# Whatever the order


def test_a_subscription_s_life(connection, stripe):
    for event in life(stripe):
        deliver(connection, event)
    assert summary(connection) == [
        ("signed_in", None, 0),
        ("subscription_purchased", INVOICE, 2990),
        ("subscription_refunded", INVOICE, 2000),
        ("subscription_refunded", INVOICE, 990),
        ("subscription_renewed", "in_cycle_1", 2990),
        ("subscription_renewed", "in_cycle_2", 2990),
        ("subscription_upgraded", "in_up", 2990),
    ]


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_subscription_s_life_in_any_order_and_with_repeats_is_the_same(connection, data):
    stripe = data.draw(st.sampled_from([OLD, NEW]))
    events = life(stripe)
    clear(connection)
    for event in events:
        deliver(connection, event)
    expected = log(connection)
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=4))
    clear(connection)
    for event in data.draw(st.permutations(events + repeats)):
        deliver(connection, event)
    assert log(connection) == expected


def test_refunds_that_arrive_before_their_order_wait_for_it(connection):
    assert deliver(connection, NEW.charge_refunded(2000)).status == "remembered"
    assert deliver(connection, NEW.charge_refunded(2990, 2000)).status == "remembered"
    assert deliver(connection, NEW.charge_refunded(2000)).status == "remembered"
    assert summary(connection) == []
    assert len(deliver(connection, NEW.invoice_payment_paid()).ids) == 2
    assert deliver(connection, NEW.invoice_payment_paid()).status == "remembered"
    assert summary(connection) == [("subscription_refunded", INVOICE, 2000), ("subscription_refunded", INVOICE, 990)]
    for event in (NEW.charge_refunded(2000), NEW.charge_refunded(2990, 2000)):
        assert deliver(connection, event).status == "remembered"
    assert len(summary(connection)) == 2


def test_a_refund_of_a_one_off_payment_is_under_its_payment_intent_before_and_after(connection, stripe):
    refund = stripe.charge_refunded(1000, of=None)
    for events in ([stripe.checkout(), refund], [refund, stripe.checkout()]):
        clear(connection)
        for event in events:
            deliver(connection, event)
        assert summary(connection) == [
            ("subscription_purchased", PAYMENT, 4900),
            ("subscription_refunded", PAYMENT, 1000),
        ]


def test_a_payment_taken_by_checkout_stays_its_own_order_though_a_receipt_names_it(connection):
    receipt = NEW.invoice_paid(invoice_id="in_receipt", reason="manual", subscription=None, attempt_count=0)
    events = [NEW.checkout(), receipt, NEW.invoice_payment_paid("in_receipt")]
    for order in permutations(events):
        clear(connection)
        for event in (*order, NEW.charge_refunded(1000)):
            deliver(connection, event)
        assert summary(connection) == [
            ("subscription_purchased", PAYMENT, 4900),
            ("subscription_refunded", PAYMENT, 1000),
        ]


OVERLAPPING = {
    "a refund failed and another was made": [(2000, 0), (3000, 0)],
    "the amount before is absent": [(2000, None), (3000, None)],
    "present and absent": [(1000, 0), (2000, None), (3000, 2000)],
    "in three steps, one of them twice": [(1000, 0), (1000, 0), (3000, 1000)],
}


@pytest.mark.parametrize("case", OVERLAPPING)
def test_in_any_order_no_more_is_counted_than_was_refunded(connection, case):
    for order in permutations(OVERLAPPING[case]):
        clear(connection)
        deliver(connection, NEW.invoice_payment_paid())
        for refunded, before in order:
            deliver(connection, NEW.charge_refunded(refunded, before))
        assert sum(value for _, _, value in summary(connection)) == 3000


def test_a_trial_s_first_payment_is_the_purchase_whichever_event_announced_the_trial(connection, stripe):
    cycle = (TRIAL[1], TRIAL[1] + MONTH)
    first = stripe.invoice_paid(invoice_id="in_first", reason="subscription_cycle", at=TRIAL[1], period=cycle)
    second = stripe.invoice_paid(
        invoice_id="in_second",
        reason="subscription_cycle",
        at=cycle[1],
        period=(cycle[1], cycle[1] + MONTH),
        payment="pi_2",
    )
    upon_active = stripe.subscription("updated", at=TRIAL[1] + 1, status="active")
    for teller in (stripe.trial_invoice(), stripe.subscription(), upon_active):
        for rest in permutations([first, second]):
            clear(connection)
            for event in (teller, *rest, teller):
                deliver(connection, event)
            assert summary(connection) == [
                ("subscription_purchased", "in_first", 2990),
                ("subscription_renewed", "in_second", 2990),
            ]
    clear(connection)
    deliver(connection, first)
    assert summary(connection) == [("subscription_renewed", "in_first", 2990)]


def test_an_invoice_never_counts_as_both_though_more_is_known_when_it_comes_again(database_url, connection, stripe):
    cycle = (TRIAL[1], TRIAL[1] + MONTH)
    paid, succeeded = (
        stripe.invoice_paid(kind=kind, reason="subscription_cycle", at=TRIAL[1], period=cycle)
        for kind in ("invoice.paid", "invoice.payment_succeeded")
    )
    for event in (paid, stripe.subscription("updated", at=TRIAL[1], status="active"), succeeded, paid):
        deliver(connection, event)
    assert summary(connection) == [("subscription_renewed", INVOICE, 2990)]
    clear(connection)
    with psycopg.connect(database_url) as first, psycopg.connect(database_url) as second:
        deliver(first, paid)
        deliver(connection, stripe.trial_invoice())
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(deliver, second, succeeded)
            first.commit()
            waiting.result(10)
        second.commit()
    assert summary(connection) == [("subscription_renewed", INVOICE, 2990)]


def test_the_latest_statement_about_a_trial_counts(connection):
    shortened = NEW.subscription("updated", at=BEGAN + DAY, trial=(BEGAN, BEGAN + DAY))
    weekly = NEW.invoice_paid(reason="subscription_cycle", period=(BEGAN + 8 * DAY, BEGAN + 15 * DAY))
    for tellers in permutations([NEW.trial_invoice(), NEW.subscription(), shortened]):
        clear(connection)
        for event in (*tellers, weekly):
            deliver(connection, event)
        assert summary(connection) == [("subscription_renewed", INVOICE, 2990)]


def test_trials_are_recorded_where_they_are_switched_on(connection):
    rules = Rules(trials=True)
    for event in (NEW.subscription(), NEW.subscription("updated"), NEW.trial_invoice()):
        deliver(connection, event, rules=rules)
    assert [row[:2] for row in log(connection)] == [("trial_started", SUBSCRIPTION)]


# At the same time


@pytest.mark.parametrize(
    "event",
    [
        OLD.invoice_paid(),
        NEW.checkout(),
        OLD.charge_refunded(2990),
        NEW.charge_refunded(2990, metadata={"account_id": "4"}),
    ],
)
def test_the_same_event_five_times_at_once_counts_once(database_url, connection, event):
    def one(_):
        with psycopg.connect(database_url) as crm:
            return deliver(crm, event)

    with ThreadPoolExecutor(5) as threads:
        outcomes = list(threads.map(one, range(5)))
    assert len(log(connection)) == 1
    assert sum(outcome.status == "recorded" for outcome in outcomes) >= 1


def test_a_whole_life_delivered_by_five_at_once_is_the_same_life(database_url, connection, stripe):
    for event in life(stripe):
        deliver(connection, event)
    expected = log(connection)
    for _ in range(3):
        clear(connection)

        def one(event):
            with psycopg.connect(database_url) as crm:
                deliver(crm, event)

        with ThreadPoolExecutor(5) as threads:
            list(threads.map(one, [event for event in life(stripe) for _ in range(3)]))
        assert log(connection) == expected


def test_a_delivery_that_fails_counts_nothing_and_the_next_does(database_url, connection):
    with psycopg.connect(database_url) as failing, psycopg.connect(database_url) as waiting:
        deliver(failing, OLD.charge_refunded(2990))
        with ThreadPoolExecutor(1) as threads:
            second = threads.submit(deliver, waiting, OLD.charge_refunded(2990))
            failing.rollback()
            assert second.result(10).status == "recorded"
        waiting.commit()
    assert summary(connection) == [("subscription_refunded", INVOICE, 2990)]


def test_ids_are_those_of_the_objects(connection):
    for event in (NEW.checkout(), OLD.charge_refunded(1000), NEW.invoice_paid(payment=None)):
        deliver(connection, event)
    assert [(row[1], row[4]) for row in log(connection)] == [
        (SESSION, CUSTOMER),
        (INVOICE, CUSTOMER),
        (f"{CHARGE}:1000", CUSTOMER),
    ]
