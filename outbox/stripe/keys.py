"""The person that one of Stripe's objects is about, as the keys of the log. Pure.

- `account_id`: metadata, else a Checkout Session's `client_reference_id` (see `outbox.stripe.rules`).
- `lead_id`: Stripe's customer, so that all events of one customer belong to one person. As soon as any event names
  customer and account together, the customer's events without an account belong to that account: earlier and later ones,
  whichever arrived first. So no event has to look up the customer's current account.
- `handl_id`: the browser, by the one opaque id in metadata. It is used only for events at which the buyer was present: a
  renewal does not show who uses that browser today. An event without account and customer carries it anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from outbox.cookies import parse_id
from outbox.stripe.rules import Rules


class StripeKeys(TypedDict):
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
) -> StripeKeys:
    """Return account, customer and browser."""
    account = metadata.get(rules.account_key) or (reference if rules.client_reference == "account_id" else None)
    browser = metadata.get(rules.handl_key) or (reference if rules.client_reference == "handl_id" else None)
    goes_along = is_at_browser or not (account or customer)
    return {
        "account_id": account,
        "lead_id": customer,
        "handl_id": parse_id(browser) if browser and goes_along else None,
    }
