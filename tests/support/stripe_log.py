"""Deliver Stripe's events to a database, and read its log."""

from __future__ import annotations

import json

import outbox.stripe
from tests.support.stripe_events import SECRET, signed
from tests.support.stripe_invoices import BEGAN, DAY, MONTH

LOG = """
SELECT name, event_id, occurred_at, account_id, lead_id, handl_id, details, sealed FROM outbox.event ORDER BY name, event_id
"""
TABLES = ("event", "intake", "raw", "stripe_payment", "stripe_invoice", "stripe_free")


def clear(connection):
    for table in TABLES:
        connection.execute(f"DELETE FROM outbox.{table}")


def deliver(connection, event, **options):
    """Deliver an event as Stripe does, and return the outcome."""
    payload, signature = signed(event)
    return outbox.stripe.record(connection, payload, signature, secret=SECRET, **options)


def log(connection):
    return [(*row[:6], json.dumps(row[6]), json.dumps(row[7])) for row in connection.execute(LOG).fetchall()]


def summary(connection):
    """Return name, order and value, in minor units, of the events in the log."""
    rows = connection.execute(
        "SELECT name, details ->> 'order_id', details ->> 'value' FROM outbox.event ORDER BY 1, 2, 3"
    )
    return [(name, order_id, round(100 * float(value or 0))) for name, order_id, value in rows.fetchall()]


def life(stripe):
    """Return the events of a subscription's life: purchase by Checkout, renewals, an upgrade, two refunds."""
    cycle = [(BEGAN + number * MONTH, BEGAN + (number + 1) * MONTH) for number in range(4)]
    common = {"metadata": {"account_id": "42", "handl_id": "h-1"}}
    return [
        stripe.checkout("subscription", reference="42"),
        stripe.subscription(trial=None, status="active", metadata=common["metadata"]),
        stripe.invoice_paid(period=cycle[0], **common),
        stripe.invoice_payment_paid(),
        stripe.charge_refunded(2000, 0, at=BEGAN + 2 * DAY),
        stripe.charge_refunded(2990, 2000, at=BEGAN + 3 * DAY),
        stripe.invoice_paid(
            invoice_id="in_cycle_1",
            reason="subscription_cycle",
            payment="pi_1",
            at=cycle[1][0],
            period=cycle[1],
            **common,
        ),
        stripe.invoice_paid(
            invoice_id="in_up",
            reason="subscription_update",
            payment="pi_2",
            at=cycle[1][0] + DAY,
            period=cycle[1],
            **common,
        ),
        stripe.invoice_paid(
            invoice_id="in_cycle_2",
            reason="subscription_cycle",
            payment="pi_3",
            at=cycle[2][0],
            period=cycle[2],
            **common,
        ),
    ]
