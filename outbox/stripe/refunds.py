"""Refunds: what each `charge.refunded` adds to what was refunded of the charge in all. Pure.

`amount_refunded` is cumulative, and `previous_attributes` says what it was before: each event is one step, [0, 20) and
[20, 30), that is counted once, so the sum is right in whatever order steps come. Where steps overlap (a refund failed,
and another was made), only what no earlier step covered counts; the database keeps that, see `outbox.stripe.state`.
A refund is told under the original order: the one its payment is remembered by, else what the charge itself tells
(`invoice`, before 2025-03-31). Where neither is known yet, it waits for the event that tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.conversions import Conversion, SubscriptionRefunded
from outbox.person import Person
from outbox.stripe.amounts import money
from outbox.stripe.keys import keys
from outbox.stripe.readers import currency, entries, identifier, inner, metadata, moment, person, whole
from outbox.stripe.reading import ORIGIN, Event, Reading
from outbox.stripe.rules import Rules
from outbox.stripe.state import Memory, Refund, Step, Told


def charge_refunded(event: Event, rules: Rules) -> Reading | None:
    """Read a charge of which something was refunded, `charge.refunded`."""
    charge = event.object
    charge_id, code = identifier(charge.get("id")), currency(charge.get("currency"))
    payment, customer = identifier(charge.get("payment_intent")) or charge_id, identifier(charge.get("customer"))
    after, before = whole(charge.get("amount_refunded")), whole(event.previous.get("amount_refunded"))
    # An authorisation that was given up comes as refunded, too: nothing had been taken.
    if not (charge_id and payment and code and after > before) or charge.get("captured") is False:
        return None
    told_of = metadata(charge.get("metadata"))
    whom = keys(rules, told_of, customer, is_at_browser=False)
    refund = Refund(
        event_id=f"{charge_id}:{after}",
        at=_refunded_at(charge) or event.created,
        currency=code,
        customer=customer,
        account_id=whom["account_id"],
        handl_id=whom["handl_id"],
    )
    # Who paid is lent by the payment's own conversion, which has the same keys; a guest has none.
    payer = None if any(whom.values()) else person(inner(charge, "billing_details"))

    def conversions(memory: Memory) -> list[Conversion]:
        if not memory.order_id or not memory.added:
            return []
        return [_refunded(refund, memory.added, memory.order_id, payer)]

    step = Step(before=before, after=after, refund=refund, order_id=_order(charge, payment, told_of, rules))
    return Reading(conversions, Told(at=refund.at, customer=customer, payments=[payment], step=step))


def released(memory: Memory, order_id: str) -> list[Conversion]:
    """Give the refunds that waited for this order."""
    return [_refunded(refund, refund.amount, order_id) for refund in memory.released]


def _order(charge: Mapping[str, Any], payment: str, told_of: Mapping[str, str], rules: Rules) -> str | None:
    """Give the order as far as the charge tells it.

    A charge inherits its PaymentIntent's metadata, and Stripe writes none for an invoice: ours in it say that the CRM, or
    Checkout for it, made a payment without an invoice. `invoice` is null then; since 2025-03-31 it is gone altogether.
    """
    if told_of.get(rules.account_key) or told_of.get(rules.handl_key):
        return payment
    return identifier(charge.get("invoice")) or (payment if "invoice" in charge else None)


def _refunded_at(charge: Mapping[str, Any]) -> int:
    """Give the newest refund's own time, where the charge still lists them (before 2022-11-15)."""
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
