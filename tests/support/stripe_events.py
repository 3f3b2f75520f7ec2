"""Stripe's events in the shapes of two of its API versions, and its signature. Fields that a test does not set are as Stripe sends them.

`OLD` (2023-10-16): an invoice has `subscription`, `payment_intent` and `charge`, a charge has `invoice`. `NEW`
(2025-08-27.basil): the subscription is under `parent`, and neither invoice nor charge knows the other.
"""

from __future__ import annotations

import hmac
import json
import time
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any

from tests.support.stripe_invoices import (
    BEGAN,
    BUYER,
    CHARGE,
    CUSTOMER,
    DAY,
    INVOICE,
    PAYMENT,
    SUBSCRIPTION,
    invoice,
    line,
)

SECRET = "whsec_made_up_for_tests"
SESSION = "cs_test_a1DRZiV2eUxUQpDQ3Z"
TRIAL = (BEGAN, BEGAN + 14 * DAY)

_numbers = count(1)


def signed(
    event: dict[str, Any] | bytes, *, secret: str = SECRET, age: float = 0, scheme: str = "v1"
) -> tuple[bytes, str]:
    """Return an event as Stripe sends it, and the header Stripe-Signature, made `age` seconds ago."""
    payload = event if isinstance(event, bytes) else json.dumps(event, indent=2, ensure_ascii=False).encode()
    at = int(time.time() - age)
    mac = hmac.new(secret.encode(), str(at).encode() + b"." + payload, sha256).hexdigest()
    return payload, f"t={at},{scheme}={mac},v0={'0' * 64}"


@dataclass(frozen=True)
class Stripe:
    """One version of Stripe's API: `Stripe(…).invoice_paid(…)` returns an event."""

    version: str
    is_new: bool

    def event(self, kind: str, obj: dict[str, Any], *, created: int, **data: Any) -> dict[str, Any]:
        """Put an object into its envelope."""
        return {
            "id": f"evt_{next(_numbers):024}",
            "object": "event",
            "api_version": self.version,
            "created": created,
            "data": {"object": obj, **data},
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": "e6ba3e40-a96e-49f4-944c-f79e40cc0bac"},
            "type": kind,
        }

    def invoice_paid(self, *, kind: str = "invoice.paid", **fields: Any) -> dict[str, Any]:
        """Return the event of a paid invoice; `fields` as for `invoice`."""
        paid = invoice(is_new=self.is_new, **fields)
        return self.event(kind, paid, created=paid["created"] + 2)

    def line(self, amount: int, period: tuple[int, int], **fields: Any) -> dict[str, Any]:
        """Return a line for an invoice."""
        return line(amount, period, is_new=self.is_new, **fields)

    def trial_invoice(self, *, trial: tuple[int, int] = TRIAL, **fields: Any) -> dict[str, Any]:
        """Return the event of the invoice over zero with which a trial begins."""
        trial_line = self.line(0, trial, description="Trial period for ENCY CAM", metadata=fields.get("metadata"))
        return self.invoice_paid(**{"invoice_id": "in_trial", "paid": 0, "lines": [trial_line], **fields})

    def invoice_payment_paid(self, of: str = INVOICE, payment: str = PAYMENT, *, at: int = BEGAN) -> dict[str, Any]:
        """Return the event that names a payment's invoice, since 2025-03-31."""
        paid = {
            "id": "inpay_1M3USa2eZvKYlo2CBjuwbq0N",
            "object": "invoice_payment",
            "amount_paid": 2990,
            "amount_requested": 2990,
            "created": at,
            "currency": "eur",
            "invoice": of,
            "is_default": True,
            "livemode": True,
            "payment": {"payment_intent": payment, "type": "payment_intent"},
            "status": "paid",
            "status_transitions": {"canceled_at": None, "paid_at": at + 1},
        }
        return self.event("invoice_payment.paid", paid, created=at + 1)

    def checkout(
        self,
        mode: str = "payment",
        *,
        kind: str = "checkout.session.completed",
        at: int = BEGAN,
        status: str = "paid",
        total: int = 4900,
        reference: str | None = None,
        **rest: Any,
    ) -> dict[str, Any]:
        """Return the event of a Checkout Session opened at `at` and completed a minute later."""
        session = {
            "id": SESSION,
            "object": "checkout.session",
            "amount_subtotal": total,
            "amount_total": total,
            "client_reference_id": reference,
            "created": at,
            "currency": "eur",
            "currency_conversion": None,
            "customer": CUSTOMER,
            "customer_creation": "always",
            "customer_details": {**BUYER, "tax_exempt": "none", "tax_ids": []},
            "customer_email": None,
            "invoice": INVOICE if mode == "subscription" else None,
            "invoice_creation": {"enabled": False} if mode == "payment" else None,
            "livemode": True,
            "metadata": {},
            "mode": mode,
            "payment_intent": PAYMENT if mode == "payment" else None,
            "payment_status": status,
            "presentment_details": None,
            "status": "complete",
            "subscription": SUBSCRIPTION if mode == "subscription" else None,
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted",
            "url": None,
            **rest,
        }
        return self.event(kind, session, created=at + 60)

    def charge_refunded(
        self,
        refunded: int,
        before: int | None = 0,
        *,
        at: int = BEGAN + 3 * DAY,
        of: str | None = INVOICE,
        **rest: Any,
    ) -> dict[str, Any]:
        """Return the event of a charge of 2990 with `refunded` refunded in total, and `before` earlier (None: absent)."""
        charge = {
            "id": CHARGE,
            "object": "charge",
            "amount": 2990,
            "amount_captured": 2990,
            "amount_refunded": refunded,
            "billing_details": {**BUYER, "tax_id": None},
            "captured": True,
            "created": BEGAN,
            "currency": "eur",
            "customer": CUSTOMER,
            "description": "Subscription creation",
            "disputed": False,
            "livemode": True,
            "metadata": {},
            "paid": True,
            "payment_intent": PAYMENT,
            "refunded": refunded == 2990,
            "status": "succeeded",
            **({} if self.is_new else {"invoice": of}),
            **rest,
        }
        previous = {"amount_refunded": before, "receipt_url": "https://pay.stripe.com/receipts/1", "refunded": False}
        return self.event(
            "charge.refunded", charge, created=at, previous_attributes=previous if before is not None else {}
        )

    def subscription(
        self,
        kind: str = "created",
        *,
        at: int = BEGAN,
        status: str = "trialing",
        trial: tuple[int, int] | None = TRIAL,
        metadata: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the event of a subscription whose trial lasts two weeks."""
        starts_at, ends_at = trial or (None, None)
        period = {"current_period_end": ends_at, "current_period_start": starts_at}
        price = {"id": "price_1", "object": "price", "nickname": "monthly-eu", "product": "prod_TRs00eb9Wd4ZEJ"}
        item = {"id": "si_TS6KO8TI6dkdxf", "object": "subscription_item", "metadata": {}, "price": price, "quantity": 1}
        subscription = {
            "id": SUBSCRIPTION,
            "object": "subscription",
            "created": BEGAN,
            "currency": "eur",
            "customer": CUSTOMER,
            "items": {"object": "list", "data": [{**item, **(period if self.is_new else {})}], "has_more": False},
            "latest_invoice": "in_trial",
            "livemode": True,
            "metadata": metadata or {},
            "start_date": BEGAN,
            "status": status,
            "trial_end": ends_at,
            "trial_start": starts_at,
            **({} if self.is_new else period),
        }
        return self.event(f"customer.subscription.{kind}", subscription, created=at)

    def customer(
        self, kind: str = "created", *, at: int = BEGAN, metadata: dict[str, str] | None = None, **data: Any
    ) -> dict[str, Any]:
        """Return the event of a customer; `data` is added beside the object (previous_attributes)."""
        customer = {
            "id": CUSTOMER,
            "object": "customer",
            "created": BEGAN,
            "currency": "eur",
            "livemode": True,
            **BUYER,
        }
        return self.event(f"customer.{kind}", {**customer, "metadata": metadata or {}}, created=at, **data)


OLD = Stripe("2023-10-16", is_new=False)
NEW = Stripe("2025-08-27.basil", is_new=True)
VERSIONS = {stripe.version: stripe for stripe in (OLD, NEW)}
