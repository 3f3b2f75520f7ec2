"""What must be remembered from one of Stripe's events to the next: three small tables, and one question a statement.

- `outbox.stripe_payment`: which order a payment belongs to, so that a refund, which knows the payment only, is told under
  the order's id; how much of it was refunded, in steps; and refunds that came before anybody knew the order.
- `outbox.stripe_free`: the time with which a subscription began that cost nothing (a trial, months that a coupon paid),
  so that the first payment after it is told from a renewal.
- `outbox.stripe_invoice`: the free time that was known when an invoice came first, by which it is judged whenever it comes
  again, so that it never counts as both.

They hold ids of Stripe's, amounts and times, and nothing of a person. The SQL function `outbox.stripe_remember` takes
what an event tells and gives what is known, both as JSON. Once all events have come, the same is known of payments and
of free time, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class Free(msgspec.Struct, frozen=True, array_like=True):
    """Time of a subscription that cost nothing, in seconds since 1970; `opens`: the subscription began with it."""

    starts_at: int
    ends_at: int
    opens: bool = False


class Refund(msgspec.Struct, frozen=True, omit_defaults=True):
    """Money that went back, in minor units of `currency`, at `at` seconds since 1970; nothing of a person but keys."""

    event_id: str
    at: int
    currency: str
    customer: str | None = None
    account_id: str | None = None
    handl_id: str | None = None
    amount: int = 0


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of what was refunded of a payment in all: from `before` to `after`, in minor units.

    `order_id` is the order as far as the charge itself tells it: what is remembered goes first, and where neither is
    known, `refund` waits.
    """

    before: int
    after: int
    refund: Refund
    order_id: str | None = None


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one event tells, `at` seconds since 1970.

    `payments` belong to `order_id`; `step` is a refund of the only one. `subscription` had `free` time; with an
    `order_id` instead it is asked about, to judge that invoice.
    """

    at: int
    customer: str | None = None
    payments: Sequence[str] = ()
    order_id: str | None = None
    step: Step | None = None
    subscription: str | None = None
    free: Sequence[Free] = ()


class Memory(msgspec.Struct, frozen=True):
    """What is known then.

    `free` is the subscription's free time, `order_id` what the step belongs to (None: it waits), `added` how much of it
    no step before covered, and `released` the refunds that waited for the order which was told.
    """

    free: Sequence[Free] = ()
    order_id: str | None = None
    added: int = 0
    released: Sequence[Refund] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Memory).decode

REMEMBER = "SELECT outbox.stripe_remember({}::jsonb)::text"


def write(told: Told) -> bytes:
    """Give `told` as the function takes it."""
    return _encode(told)


def read(answer: Any) -> Memory:
    """Read the function's answer."""
    return _decode(answer)


def is_first_payment(starts_at: int, free: Sequence[Free]) -> bool:
    """Tell whether a period that starts at `starts_at` is the first that costs something.

    It is if it follows without a gap on free time with which the subscription began, or lies within it, as when a trial
    is ended early. Free time later in a subscription's life (a credit that pays a month) makes no first payment.
    """
    while period := next((period for period in free if period.starts_at < starts_at <= period.ends_at), None):
        if period.opens:
            return True
        starts_at = period.starts_at
    return False
