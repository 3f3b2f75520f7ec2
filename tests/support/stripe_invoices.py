"""Stripe's invoices before and after 2025-03-31 (basil), in the shape of real ones; ids and persons are made up."""

from __future__ import annotations

from typing import Any

CUSTOMER, SUBSCRIPTION, CHARGE = "cus_TS6KX04w045BN9", "sub_1SVC89HOQNg4XnOMoa93kOB2", "ch_3SVC8AHOQNg4XnOM0tDpTk0c"
INVOICE, PAYMENT = "in_1SVC87HOQNg4XnOMdHAlqDva", "pi_3SVC8AHOQNg4XnOM0aBcDeFg"
BEGAN = 1_763_561_586
DAY = 86_400
MONTH = 30 * DAY

ADDRESS = {"city": "Berlin", "country": "DE", "line1": "Musterweg 1", "line2": "", "postal_code": "10115", "state": ""}
BUYER = {"address": ADDRESS, "email": "Ada.Lovelace@Example.com", "name": "Ada King Lovelace", "phone": "+493012345678"}
NOBODY: dict[str, Any] = {"address": None, "email": None, "name": None, "phone": None}


def invoice(
    invoice_id: str = INVOICE,
    reason: str | None = "subscription_create",
    paid: int = 2990,
    *,
    is_new: bool,
    at: int = BEGAN,
    period: tuple[int, int] = (BEGAN, BEGAN + MONTH),
    currency: str = "eur",
    customer: str | None = CUSTOMER,
    subscription: str | None = SUBSCRIPTION,
    payment: str | None = PAYMENT,
    buyer: dict[str, Any] = BUYER,
    metadata: dict[str, str] | None = None,
    own_metadata: dict[str, str] | None = None,
    lines: list[dict[str, Any]] | None = None,
    **rest: Any,
) -> dict[str, Any]:
    """Return an invoice, paid a second after `at`.

    `metadata` is the subscription's, as Stripe copies it; `own_metadata` the invoice's.
    """
    if lines is None:
        lines = [line(paid, period, is_new=is_new, subscription=subscription, metadata=metadata)]
    common = {
        "id": invoice_id,
        "object": "invoice",
        "account_country": "DE",
        "amount_due": paid,
        "amount_paid": paid,
        "amount_remaining": 0,
        "attempt_count": 0,
        "attempted": True,
        "auto_advance": False,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": at,
        "currency": currency,
        "customer": customer,
        **{f"customer_{name}": value for name, value in buyer.items()},
        "customer_tax_exempt": "none",
        "description": None,
        "lines": {"object": "list", "data": lines, "has_more": False, "total_count": len(lines), "url": "/v1/lines"},
        "livemode": True,
        "metadata": own_metadata or {},
        "number": "M8V0KX57-0001",
        "period_end": at,
        "period_start": at,
        "status": "paid",
        "status_transitions": {
            "finalized_at": at,
            "marked_uncollectible_at": None,
            "paid_at": at + 1,
            "voided_at": None,
        },
        "subtotal": paid,
        "total": paid,
    }
    if is_new:
        of_subscription = {"metadata": metadata or {}, "subscription": subscription}
        parent = {"quote_details": None, "subscription_details": of_subscription, "type": "subscription_details"}
        own = {"amount_overpaid": 0, "parent": parent if subscription else None, "total_taxes": []}
    else:
        own = {
            "charge": CHARGE if paid and payment else None,
            "paid": True,
            "paid_out_of_band": False,
            "payment_intent": payment if paid else None,
            "subscription": subscription,
            "subscription_details": {"metadata": (metadata or {}) if subscription else None},
            "tax": None,
        }
    return {**common, **own, **rest}


def line(
    amount: int,
    period: tuple[int, int],
    *,
    is_new: bool,
    description: str | None = "1 \u00d7 ENCY CAM (at €29.90 / month)",
    subscription: str | None = SUBSCRIPTION,
    is_proration: bool = False,
    metadata: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return one line of an invoice: of the subscription itself, or another item (a proration, a one-off sale)."""
    is_item = is_proration or not subscription
    common = {
        "id": "il_1SVC86HOQNg4XnOMdluq1xyJ",
        "object": "line_item",
        "amount": amount,
        "currency": "eur",
        "description": description,
        "discountable": not is_proration,
        "livemode": True,
        "metadata": metadata or {},
        "period": {"end": period[1], "start": period[0]},
        "quantity": 1,
    }
    if not is_new:
        price = {"id": "price_1", "nickname": "monthly-eu", "product": "prod_TRs00eb9Wd4ZEJ"}
        return {
            **common,
            "plan": {**price, "object": "plan"},
            "price": {**price, "object": "price"},
            "proration": is_proration,
            "subscription": subscription,
            "type": "invoiceitem" if is_item else "subscription",
        }
    item = "invoice_item" if is_item else "subscription_item"
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": None,
        f"{item}_details": {
            item: "ii_1" if is_item else "si_TS6KO8TI6dkdxf",
            "proration": is_proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription,
        },
        "type": f"{item}_details",
    }
    prices = {"price": "price_1SUyGiHOQNg4XnOMHSqLxNl9", "product": "prod_TRs00eb9Wd4ZEJ"}
    pricing = {"price_details": prices, "type": "price_details", "unit_amount_decimal": str(amount)}
    return {**common, "parent": parent, "pricing": pricing, "taxes": []}
