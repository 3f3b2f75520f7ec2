"""Settings of a CRM's Stripe account: the names of its metadata keys, and what else counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How Stripe's events are read. The same rules make Checkout's metadata (`outbox.stripe.checkout_metadata`).

    `account_key`, `handl_key` and `product_key` are the keys of metadata under which the CRM's account id, the opaque id
    of the browser (its handlID) and the product's name are kept. `client_reference` is what a Checkout Session's
    client_reference_id holds: the account's id, the browser's handlID (as Payment Links can carry it), or neither.
    `trials`: a subscription's trial counts as `trial_started`. It is off by default, since the
    first login is recorded as that already.
    """

    account_key: str = "account_id"
    handl_key: str = "handl_id"
    product_key: str = "product"
    client_reference: Literal["account_id", "handl_id", "neither"] = "account_id"
    trials: bool = False
