"""The state remembered from one of Stripe's events to the next: three small tables, read and written by one call.

- `outbox.stripe_payment`: which order a payment belongs to, so that a refund, which names the payment only, is recorded
  under the order's id; how much of it was refunded, in steps; and refunds that arrived before their order was known.
- `outbox.stripe_free`: the free periods with which a subscription began (a trial, months that a coupon paid), so that the
  first payment after them is distinguished from a renewal.
- `outbox.stripe_invoice`: the free periods that were known when an invoice first arrived. It is judged by them whenever it
  arrives again, so that it never counts as both.

They hold Stripe's ids, amounts and times, and no personal data. The SQL function `outbox.stripe_remember` takes what was
observed in an event and returns the state, both as JSON. Once all events have arrived, the state of payments and free
periods is the same, in whatever order they arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class FreePeriod(msgspec.Struct, frozen=True, array_like=True):
    """A free period of a subscription, in seconds since 1970; `opens`: the subscription began with it."""

    starts_at: int
    ends_at: int
    opens: bool = False


class Refund(msgspec.Struct, frozen=True, omit_defaults=True):
    """Money returned, in minor units of `currency`, at `at` seconds since 1970. Of the person it holds keys only."""

    event_id: str
    at: int
    currency: str
    customer: str | None = None
    account_id: str | None = None
    handl_id: str | None = None
    amount: int = 0


class RefundStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step in the total refunded of a payment: from `before` to `after`, in minor units.

    `order_id` is the order that the charge itself shows. A remembered order takes precedence; while neither is known,
    `refund` waits.
    """

    before: int
    after: int
    refund: Refund
    order_id: str | None = None


class Observed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was observed in one event, `at` seconds since 1970.

    `payments` belong to `order_id`; `step` is a refund of the only one. `subscription` had `free` periods; with an
    `order_id` instead, its free periods are looked up to judge that invoice.
    """

    at: int
    customer: str | None = None
    payments: Sequence[str] = ()
    order_id: str | None = None
    step: RefundStep | None = None
    subscription: str | None = None
    free: Sequence[FreePeriod] = ()


class SubscriptionState(msgspec.Struct, frozen=True):
    """The state after an event.

    `free` are the subscription's free periods, `order_id` the order of the step (None: it waits), `added` how much of it
    no earlier step covered, and `released` the refunds that waited for the order just observed.
    """

    free: Sequence[FreePeriod] = ()
    order_id: str | None = None
    added: int = 0
    released: Sequence[Refund] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SubscriptionState).decode

REMEMBER = "SELECT outbox.stripe_remember({}::jsonb)::text"


def write(observed: Observed) -> bytes:
    """Return `observed` as JSON for the function."""
    return _encode(observed)


def read(result: Any) -> SubscriptionState:
    """Read the function's result."""
    return _decode(result)


def is_first_payment(starts_at: int, free: Sequence[FreePeriod]) -> bool:
    """Return whether a period that starts at `starts_at` is the first that costs something.

    It is if it follows without a gap a free period with which the subscription began, or lies within it, as when a trial
    is ended early. A free period later in a subscription's life (a credit that pays a month) makes no first payment.
    """
    while period := next((period for period in free if period.starts_at < starts_at <= period.ends_at), None):
        if period.opens:
            return True
        starts_at = period.starts_at
    return False
