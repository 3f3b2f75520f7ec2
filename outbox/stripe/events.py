"""Which of Stripe's events counts as which conversion. Pure.

| event                                        | if                                                 | counts as                |
|----------------------------------------------|----------------------------------------------------|--------------------------|
| `invoice.paid`, `invoice.payment_succeeded`  | money was paid, by its `billing_reason`:           |                          |
|                                              | `subscription_create`, `quote_accept`              | `subscription_purchased` |
|                                              | `subscription_cycle`, `subscription` (until 2018), | `subscription_purchased` |
|                                              | `subscription_update`, and it is the first payment |                          |
|                                              | after the trial with which a subscription began    |                          |
|                                              | `subscription_cycle`, `subscription`, else         | `subscription_renewed`   |
|                                              | `subscription_threshold`,                          | `subscription_renewed`   |
|                                              | `automatic_pending_invoice_item_invoice`           |                          |
|                                              | `subscription_update`, else                        | `subscription_upgraded`  |
|                                              | `manual`, and the invoice itself was charged       | `subscription_purchased` |
|                                              | nothing was paid                                   | nothing; remembered      |
| `checkout.session.completed`,                | mode `payment`, paid                               | `subscription_purchased` |
| `checkout.session.async_payment_succeeded`   | mode `subscription`: its invoice counts            | `signed_in`: ties keys   |
| `charge.refunded`                            | captured money was refunded                        | `subscription_refunded`  |
| `customer.subscription.created`, `.updated`  | `trialing`, where trials are switched on           | `trial_started`          |
|                                              | else, with a trial                                 | nothing; remembered      |
| `customer.created`, `.updated`               | its metadata names an account that is new there    | `signed_in`: ties keys   |
| `invoice_payment.paid`                       |                                                    | nothing; remembered      |
| any other                                    |                                                    | nothing                  |

Each object counts once, however often and in whatever order its events come: `event_id` is the invoice's, the Checkout
Session's, the subscription's or the charge's id, the last followed by the total refunded so far. `order_id` is the
invoice, or the PaymentIntent of a payment without one. Times are Stripe's: `status_transitions.paid_at`, the refund's
`created`, `trial_start`; where an object lacks one (a Session its payment's, a charge its refund's), the event's
`created`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outbox.conversions import Conversion
from outbox.stripe.customers import customer, subscription
from outbox.stripe.payments import checkout_session, invoice_paid, invoice_payment_paid
from outbox.stripe.reading import Reading, StripeEvent, open_envelope
from outbox.stripe.refunds import charge_refunded
from outbox.stripe.rules import Rules
from outbox.stripe.state import SubscriptionState

READERS: Mapping[str, Callable[[StripeEvent, Rules], Reading | None]] = {
    "invoice.paid": invoice_paid,
    "invoice.payment_succeeded": invoice_paid,
    "invoice_payment.paid": invoice_payment_paid,
    "checkout.session.completed": checkout_session,
    "checkout.session.async_payment_succeeded": checkout_session,
    "charge.refunded": charge_refunded,
    "customer.subscription.created": subscription,
    "customer.subscription.updated": subscription,
    "customer.created": customer,
    "customer.updated": customer,
}


def read_event(event: Mapping[str, Any], rules: Rules) -> Reading | None:
    """Read an event. Return None if nothing in it counts."""
    envelope = open_envelope(event)
    reader = READERS.get(envelope.type)
    return reader(envelope, rules) if reader else None


def conversions_of(
    event: Mapping[str, Any], state: SubscriptionState | None = None, rules: Rules | None = None
) -> list[Conversion]:
    """Return the conversions that an event stands for, given the remembered `state`. Never raises."""
    reading = read_event(event, rules or Rules())
    return reading.conversions(state or SubscriptionState()) if reading else []
