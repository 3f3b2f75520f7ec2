"""Payments: invoices, and what Checkout takes without one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.conversions import Conversion, SubscriptionPurchased, SubscriptionRenewed, SubscriptionUpgraded
from outbox.stripe.amounts import money
from outbox.stripe.invoice import Invoice, paid_by, read_invoice
from outbox.stripe.keys import keys
from outbox.stripe.readers import currency, identifier, inner, metadata, moment, person, text, whole
from outbox.stripe.reading import ORIGIN, Event, Reading, nothing, tie
from outbox.stripe.refunds import released
from outbox.stripe.rules import Rules
from outbox.stripe.state import Free, Memory, Told, is_first_payment

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
"""What an invoice counts as, by its `billing_reason`; `upcoming` is never paid."""

MAY_BE_FIRST = frozenset({"subscription_cycle", "subscription", "subscription_update"})
"""Of these the first after a trial is the purchase; an update is one if it ends the trial early."""


def invoice_paid(event: Event, rules: Rules) -> Reading | None:
    """Read a paid invoice: `invoice.paid`, or `invoice.payment_succeeded`, which says the same of nearly all."""
    invoice = read_invoice(event.object)
    kind, code = INVOICES.get(invoice.reason or ""), currency(invoice.currency)
    at = invoice.paid_at or event.created
    if kind is None or code is None or invoice.id is None:
        return None
    if not invoice.paid:
        return _nothing_paid(invoice, at)
    if invoice.reason == "manual" and not invoice.attempts:
        # A receipt: Checkout makes one of a payment that counts already (`invoice_creation`), or it was paid elsewhere.
        return None
    order_id = invoice.id
    subscription = invoice.subscription if invoice.reason in MAY_BE_FIRST else None

    def conversions(memory: Memory) -> list[Conversion]:
        is_first = is_first_payment(invoice.starts_at, memory.free)
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
        return [payment, *released(memory, order_id)]

    told = Told(
        at=at, customer=invoice.customer, payments=invoice.payments, order_id=order_id, subscription=subscription
    )
    return Reading(conversions, told if subscription or invoice.payments else None)


def _nothing_paid(invoice: Invoice, at: int) -> Reading | None:
    """Remember free time: a trial has an invoice of nothing, and so has a month that a coupon pays."""
    opens = invoice.reason == "subscription_create"
    free = [Free(line.starts_at, line.ends_at, opens) for line in invoice.lines if line.is_cycle]
    if not invoice.subscription or not free:
        return None
    return Reading(nothing, Told(at=at, customer=invoice.customer, subscription=invoice.subscription, free=free))


def invoice_payment_paid(event: Event, _rules: Rules) -> Reading | None:
    """Remember which invoice a payment is for: since 2025-03-31 (basil) neither invoice nor charge says so."""
    order_id, payment = identifier(event.object.get("invoice")), paid_by(inner(event.object, "payment"))
    if not order_id or not payment:
        return None
    at = whole(inner(event.object, "status_transitions").get("paid_at")) or event.created
    return Reading(lambda memory: released(memory, order_id), Told(at=at, payments=[payment], order_id=order_id))


def checkout_session(event: Event, rules: Rules) -> Reading | None:
    """Read a Checkout Session that completed, or whose delayed payment came."""
    session = event.object
    session_id, customer = identifier(session.get("id")), identifier(session.get("customer"))
    told_of = metadata(session.get("metadata"))
    whom = keys(rules, told_of, customer, reference=text(session.get("client_reference_id")), is_at_browser=True)
    buyer = person(inner(session, "customer_details") or {"email": session.get("customer_email")})
    if session.get("mode") == "subscription" and session_id:
        # Its invoice counts, and may not know whose it is: this says so, at the time when they were there.
        return tie(session_id, whole(session.get("created")) or event.created, whom, person=buyer)
    order_id, code = identifier(session.get("payment_intent")), currency(session.get("currency"))
    paid = whole(session.get("amount_total")) if session.get("payment_status") == "paid" else 0
    if session.get("mode") != "payment" or not (session_id and order_id and code and paid):
        return None

    def conversions(memory: Memory) -> list[Conversion]:
        payment = SubscriptionPurchased(
            event_id=session_id,
            occurred_at=moment(event.created),
            value=money(paid, code),
            currency=code,
            order_id=order_id,
            product=told_of.get(rules.product_key),
            person=buyer,
            details={**ORIGIN, **_presentment(session)},
            **whom,
        )
        return [payment, *released(memory, order_id)]

    return Reading(conversions, Told(at=event.created, customer=customer, payments=[order_id], order_id=order_id))


def _presentment(session: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the buyer saw, where it was not the price's currency (Adaptive Pricing).

    The conversion's value stays in the price's currency, as invoices and refunds are, so that they can be summed up:
    "the Checkout Session and the underlying PaymentIntent reflect what your customer paid in your integration currency"
    (https://docs.stripe.com/payments/checkout/localize-prices/adaptive-pricing).
    """
    details = inner(session, "presentment_details")
    code, amount = currency(details.get("presentment_currency")), whole(details.get("presentment_amount"))
    return {"presentment_value": money(amount, code), "presentment_currency": code} if code and amount else {}
