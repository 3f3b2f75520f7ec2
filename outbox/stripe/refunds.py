"""Refunds: what each `charge.refunded` adds to the total refunded of the charge. Pure.

`amount_refunded` is cumulative, and `previous_attributes` holds its former value: each event is one step, [0, 20) and
[20, 30), that is counted once, so the sum is right in whatever order steps come. Where steps overlap (a refund failed,
and another was made), only what no earlier step covered counts; the database keeps that, see `outbox.stripe.state`.
A refund is recorded under the original order: the one remembered for its payment, else the one in the charge itself
(`invoice`, before 2025-03-31). While neither is known, it waits for the event that names the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.conversions import Conversion, SubscriptionRefunded
from outbox.person import Person
from outbox.stripe.amounts import money
from outbox.stripe.keys import keys
from outbox.stripe.readers import currency, entries, identifier, inner, metadata, moment, person, whole
from outbox.stripe.reading import ORIGIN, Reading, StripeEvent
from outbox.stripe.rules import Rules
from outbox.stripe.state import Observed, Refund, RefundStep, SubscriptionState


def charge_refunded(event: StripeEvent, rules: Rules) -> Reading | None:
    """Read a refunded charge, `charge.refunded`."""
    charge = event.object
    charge_id, code = identifier(charge.get("id")), currency(charge.get("currency"))
    payment, customer = identifier(charge.get("payment_intent")) or charge_id, identifier(charge.get("customer"))
    after, before = whole(charge.get("amount_refunded")), whole(event.previous.get("amount_refunded"))
    # A cancelled authorisation comes as refunded, too, but nothing had been captured.
    if not (charge_id and payment and code and after > before) or charge.get("captured") is False:
        return None
    object_metadata = metadata(charge.get("metadata"))
    owner = keys(rules, object_metadata, customer, is_at_browser=False)
    refund = Refund(
        event_id=f"{charge_id}:{after}",
        at=_refunded_at(charge) or event.created,
        currency=code,
        customer=customer,
        account_id=owner["account_id"],
        handl_id=owner["handl_id"],
    )
    # The payer's traits come from the payment's own conversion, which has the same keys; a guest has no keys.
    payer = None if any(owner.values()) else person(inner(charge, "billing_details"))

    def conversions(state: SubscriptionState) -> list[Conversion]:
        if not state.order_id or not state.added:
            return []
        return [_refunded(refund, state.added, state.order_id, payer)]

    step = RefundStep(
        before=before, after=after, refund=refund, order_id=_order(charge, payment, object_metadata, rules)
    )
    return Reading(conversions, Observed(at=refund.at, customer=customer, payments=[payment], step=step))


def released(state: SubscriptionState, order_id: str) -> list[Conversion]:
    """Return the refunds that waited for this order."""
    return [_refunded(refund, refund.amount, order_id) for refund in state.released]


def _order(charge: Mapping[str, Any], payment: str, object_metadata: Mapping[str, str], rules: Rules) -> str | None:
    """Return the order if the charge itself shows it.

    A charge inherits its PaymentIntent's metadata, and Stripe writes none for an invoice: our keys in it mean that the
    CRM, or Checkout for it, made a payment without an invoice. `invoice` is null then; since 2025-03-31 it is absent.
    """
    if object_metadata.get(rules.account_key) or object_metadata.get(rules.handl_key):
        return payment
    return identifier(charge.get("invoice")) or (payment if "invoice" in charge else None)


def _refunded_at(charge: Mapping[str, Any]) -> int:
    """Return the newest refund's own time if the charge lists refunds (before 2022-11-15), else 0."""
    return max((whole(refund.get("created")) for refund in entries(charge.get("refunds"))), default=0)


def _refunded(refund: Refund, amount: int, order_id: str, payer: Person | None = None) -> Conversion:
    return SubscriptionRefunded(
        event_id=refund.event_id,
        occurred_at=moment(refund.at),
        value=money(amount, refund.currency),
        currency=refund.currency,
        order_id=order_id,
        lead_id=refund.customer,
        account_id=refund.account_id,
        handl_id=refund.handl_id,
        person=payer,
        details=ORIGIN,
    )
