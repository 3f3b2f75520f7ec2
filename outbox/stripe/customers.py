"""Customers and their subscriptions: free periods, and the account they belong to. Pure."""

from __future__ import annotations

from outbox.conversions import Conversion
from outbox.stripe.keys import keys
from outbox.stripe.readers import entries, identifier, inner, metadata, moment, person, text, whole
from outbox.stripe.reading import ORIGIN, Reading, StripeEvent, nothing, tie
from outbox.stripe.rules import Rules
from outbox.stripe.state import FreePeriod, Observed

_AT_ONCE = 3600  # seconds within which a trial is the subscription's beginning, not a pause in its life


def subscription(event: StripeEvent, rules: Rules) -> Reading | None:
    """Remember a subscription's trial. It is also a conversion if `rules.trials` is on."""
    subscription_id, buyer = identifier(event.object.get("id")), identifier(event.object.get("customer"))
    starts_at, ends_at = whole(event.object.get("trial_start")), whole(event.object.get("trial_end"))
    if not subscription_id or not starts_at or not ends_at:
        return None
    opens = starts_at <= whole(event.object.get("created")) + _AT_ONCE
    free = FreePeriod(starts_at, ends_at, opens)
    observed = Observed(at=event.created, customer=buyer, subscription=subscription_id, free=[free])
    if not rules.trials or not opens or event.object.get("status") != "trialing":
        return Reading(nothing, observed)
    object_metadata = metadata(event.object.get("metadata"))
    prices = (inner(item, "price") for item in entries(event.object.get("items")))
    product = next((name for price in prices if (name := text(price.get("nickname")))), None)
    product = product or object_metadata.get(rules.product_key)
    trial = Conversion(
        name="trial_started",
        event_id=subscription_id,
        occurred_at=moment(starts_at),
        details={**ORIGIN, "product": product} if product else ORIGIN,
        **keys(rules, object_metadata, buyer, is_at_browser=True),
    )
    return Reading(lambda _: [trial], observed)


def customer(event: StripeEvent, rules: Rules) -> Reading | None:
    """Tie a customer to the account in its metadata when that entry is new."""
    customer_id, object_metadata = identifier(event.object.get("id")), metadata(event.object.get("metadata"))
    is_new = event.type == "customer.created" or "metadata" in event.previous
    if not event.id or not customer_id or not is_new or not object_metadata.get(rules.account_key):
        return None
    owner = keys(rules, object_metadata, customer_id, is_at_browser=False)
    return tie(event.id, event.created, owner, person=person(event.object))
