"""Whom one of Stripe's objects is about: the keys by which the log knows persons. Pure.

- `account_id`: metadata, else a Checkout Session's `client_reference_id` (see `outbox.stripe.rules`).
- `lead_id`: Stripe's customer. So all that one customer does is one person's, whatever else is known; and as soon as any
  event names customer and account together, the customer's events without an account belong to it: those before and those
  after, whichever came first. An account as last seen is thus no state that an event would have to find in time.
- `handl_id`: the browser, by the one opaque id in metadata. Only where the buyer was there: a renewal says nothing of who
  sits at that browser today. Where nothing else is known of whom it is about, it goes along all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from outbox.cookies import parse_id
from outbox.stripe.rules import Rules


class Keys(TypedDict):
    """The keys of a conversion."""

    account_id: str | None
    lead_id: str | None
    handl_id: str | None


def keys(
    rules: Rules,
    metadata: Mapping[str, str],
    customer: str | None,
    *,
    is_at_browser: bool,
    reference: str | None = None,
) -> Keys:
    """Give account, customer and browser."""
    account = metadata.get(rules.account_key) or (reference if rules.client_reference == "account_id" else None)
    browser = metadata.get(rules.handl_key) or (reference if rules.client_reference == "handl_id" else None)
    goes_along = is_at_browser or not (account or customer)
    return {
        "account_id": account,
        "lead_id": customer,
        "handl_id": parse_id(browser) if browser and goes_along else None,
    }
