"""Payments: invoices, and Checkout payments without an invoice. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.conversions import Conversion, SubscriptionPurchased, SubscriptionRenewed, SubscriptionUpgraded
from outbox.stripe.amounts import money
from outbox.stripe.invoice import Invoice, paid_by, read_invoice
from outbox.stripe.keys import keys
from outbox.stripe.readers import currency, identifier, inner, metadata, moment, person, text, whole
from outbox.stripe.reading import ORIGIN, Reading, StripeEvent, nothing, tie
from outbox.stripe.refunds import released
from outbox.stripe.rules import Rules
from outbox.stripe.state import FreePeriod, Observed, SubscriptionState, is_first_payment

INVOICES: Mapping[str, type[SubscriptionPurchased | SubscriptionRenewed | SubscriptionUpgraded]] = {
    "subscription_create": SubscriptionPurchased,
    "quote_accept": SubscriptionPurchased,
    "manual": SubscriptionPurchased,
    "subscription_cycle": SubscriptionRenewed,
    "subscription": SubscriptionRenewed,
    "subscription_threshold": SubscriptionRenewed,
    "automatic_pending_invoice_item_invoice": SubscriptionRenewed,
    "subscription_update": SubscriptionUpgraded,
}
"""The conversion that an invoice counts as, by its `billing_reason`; `upcoming` is never paid."""

MAY_BE_FIRST = frozenset({"subscription_cycle", "subscription", "subscription_update"})
"""The first of these after a trial is the purchase; an update is one if it ends the trial early."""


def invoice_paid(event: StripeEvent, rules: Rules) -> Reading | None:
    """Read a paid invoice: `invoice.paid`, or `invoice.payment_succeeded`, which Stripe sends for nearly all of them."""
    invoice = read_invoice(event.object)
    kind, code = INVOICES.get(invoice.reason or ""), currency(invoice.currency)
    at = invoice.paid_at or event.created
    if kind is None or code is None or invoice.id is None:
        return None
    if not invoice.paid:
        return _nothing_paid(invoice, at)
    if invoice.reason == "manual" and not invoice.attempts:
        # Only a receipt: Checkout made it for a payment that counts already (`invoice_creation`), or it was paid
        # outside Stripe.
        return None
    order_id = invoice.id
    subscription = invoice.subscription if invoice.reason in MAY_BE_FIRST else None

    def conversions(state: SubscriptionState) -> list[Conversion]:
        is_first = is_first_payment(invoice.starts_at, state.free)
        counts_as = SubscriptionPurchased if is_first else kind
        payment = counts_as(
            event_id=order_id,
            occurred_at=moment(at),
            value=money(invoice.paid, code),
            currency=code,
            order_id=order_id,
            product=invoice.product or invoice.metadata.get(rules.product_key),
            person=person(event.object, "customer_"),
            details=ORIGIN,
            **keys(rules, invoice.metadata, invoice.customer, is_at_browser=counts_as is SubscriptionPurchased),
        )
        return [payment, *released(state, order_id)]

    observed = Observed(
        at=at, customer=invoice.customer, payments=invoice.payments, order_id=order_id, subscription=subscription
    )
    return Reading(conversions, observed if subscription or invoice.payments else None)


def _nothing_paid(invoice: Invoice, at: int) -> Reading | None:
    """Remember a free period: a trial has an invoice for zero, and so has a month that a coupon covers."""
    opens = invoice.reason == "subscription_create"
    free = [FreePeriod(line.starts_at, line.ends_at, opens) for line in invoice.lines if line.is_cycle]
    if not invoice.subscription or not free:
        return None
    return Reading(nothing, Observed(at=at, customer=invoice.customer, subscription=invoice.subscription, free=free))


def invoice_payment_paid(event: StripeEvent, _rules: Rules) -> Reading | None:
    """Remember which invoice a payment is for: since 2025-03-31 (basil) neither invoice nor charge holds it."""
    order_id, payment = identifier(event.object.get("invoice")), paid_by(inner(event.object, "payment"))
    if not order_id or not payment:
        return None
    at = whole(inner(event.object, "status_transitions").get("paid_at")) or event.created
    return Reading(lambda state: released(state, order_id), Observed(at=at, payments=[payment], order_id=order_id))


def checkout_session(event: StripeEvent, rules: Rules) -> Reading | None:
    """Read a Checkout Session that completed, or whose delayed payment succeeded."""
    session = event.object
    session_id, customer = identifier(session.get("id")), identifier(session.get("customer"))
    object_metadata = metadata(session.get("metadata"))
    owner = keys(
        rules, object_metadata, customer, reference=text(session.get("client_reference_id")), is_at_browser=True
    )
    buyer = person(inner(session, "customer_details") or {"email": session.get("customer_email")})
    if session.get("mode") == "subscription" and session_id:
        # Its invoice is the conversion, but may carry no account or browser: this ties them, at the time of the visit.
        return tie(session_id, whole(session.get("created")) or event.created, owner, person=buyer)
    order_id, code = identifier(session.get("payment_intent")), currency(session.get("currency"))
    paid = whole(session.get("amount_total")) if session.get("payment_status") == "paid" else 0
    if session.get("mode") != "payment" or not (session_id and order_id and code and paid):
        return None

    def conversions(state: SubscriptionState) -> list[Conversion]:
        payment = SubscriptionPurchased(
            event_id=session_id,
            occurred_at=moment(event.created),
            value=money(paid, code),
            currency=code,
            order_id=order_id,
            product=object_metadata.get(rules.product_key),
            person=buyer,
            details={**ORIGIN, **_presentment(session)},
            **owner,
        )
        return [payment, *released(state, order_id)]

    return Reading(conversions, Observed(at=event.created, customer=customer, payments=[order_id], order_id=order_id))


def _presentment(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return the amount that the buyer saw, where it was not in the price's currency (Adaptive Pricing).

    The conversion's value stays in the price's currency, like invoices and refunds, so that they can be summed up:
    "the Checkout Session and the underlying PaymentIntent reflect what your customer paid in your integration currency"
    (https://docs.stripe.com/payments/checkout/localize-prices/adaptive-pricing).
    """
    details = inner(session, "presentment_details")
    code, amount = currency(details.get("presentment_currency")), whole(details.get("presentment_amount"))
    return {"presentment_value": money(amount, code), "presentment_currency": code} if code and amount else {}
