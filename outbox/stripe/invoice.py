"""An invoice, in the form of any version of Stripe's API. Pure.

| what                    | before 2025-03-31 (basil)         | since                                                       |
|-------------------------|-----------------------------------|-------------------------------------------------------------|
| the subscription        | `subscription`                    | `parent.subscription_details.subscription`                  |
| its metadata, as it was | `subscription_details.metadata`,  | `parent.subscription_details.metadata`                      |
|                         | from June 2023                    |                                                             |
| what paid it            | `payment_intent`, else `charge`   | `payments`, which events leave out; `invoice_payment.paid`  |
|                         |                                   | has it                                                      |
| a line of the           | `type` is `subscription`          | `parent.type` is `subscription_item_details`                |
| subscription itself     |                                   |                                                             |
| a line is a proration   | `proration`                       | `parent.*_details.proration`                                |
| its price's nickname    | `price.nickname`, `plan.nickname` | absent                                                      |

Source: https://docs.stripe.com/changelog/basil; events of 2018-11-08, 2023-10-16, 2025-08-27.basil and 2025-11-17.clover.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outbox.stripe.readers import entries, identifier, inner, metadata, text, whole

_QUANTITY = re.compile("^[0-9.,]+ \u00d7 ")
_REMARK = re.compile(r" \([^()0-9]*[0-9]([^()]*)\)$")  # in brackets at the end, with a digit in it


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line: the product, the period (seconds since 1970), and the amount in minor units."""

    amount: int
    starts_at: int
    ends_at: int
    is_cycle: bool
    subscription: str | None
    product: str | None
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """The parts of an invoice that matter here. `payments` are PaymentIntents, or charges from before PaymentIntents."""

    id: str | None
    reason: str | None
    paid: int
    attempts: int
    currency: Any
    paid_at: int
    customer: str | None
    subscription: str | None
    payments: tuple[str, ...]
    lines: tuple[InvoiceLine, ...]
    metadata: dict[str, str]

    @property
    def starts_at(self) -> int:
        """The start of the latest period with a charge; 0 if nothing was charged."""
        return max((line.starts_at for line in self.lines if line.amount > 0), default=0)

    @property
    def product(self) -> str | None:
        """The product of the most expensive line that names one."""
        lines = sorted(self.lines, key=lambda line: -line.amount)
        return next((line.product for line in lines if line.product), None)


def read_invoice(invoice: Mapping[str, Any]) -> Invoice:
    """Read an invoice."""
    lines = tuple(_read_line(line) for line in entries(invoice.get("lines")))
    of_subscription = inner(invoice, "parent", "subscription_details") or inner(invoice, "subscription_details")
    subscription = identifier(of_subscription.get("subscription")) or identifier(invoice.get("subscription"))
    return Invoice(
        id=identifier(invoice.get("id")),
        reason=text(invoice.get("billing_reason")),
        paid=whole(invoice.get("amount_paid")),
        attempts=whole(invoice.get("attempt_count")),
        currency=invoice.get("currency"),
        paid_at=whole(inner(invoice, "status_transitions").get("paid_at")),
        customer=identifier(invoice.get("customer")),
        subscription=subscription or next((line.subscription for line in lines if line.subscription), None),
        payments=tuple(dict.fromkeys(_payments(invoice))),
        lines=lines,
        metadata=metadata(invoice.get("metadata"), of_subscription.get("metadata"), *(line.metadata for line in lines)),
    )


def paid_by(payment: Mapping[str, Any]) -> str | None:
    """Return the PaymentIntent, else the charge, that `payment` names (an old invoice, or an InvoicePayment's payment)."""
    return identifier(payment.get("payment_intent")) or identifier(payment.get("charge"))


def _payments(invoice: Mapping[str, Any]) -> Iterator[str]:
    if found := paid_by(invoice):
        yield found
    for entry in entries(invoice.get("payments")):
        if entry.get("status") == "paid" and (found := paid_by(inner(entry, "payment"))):
            yield found


def _read_line(line: Mapping[str, Any]) -> InvoiceLine:
    of_item = inner(line, "parent", "subscription_item_details") or inner(line, "parent", "invoice_item_details")
    is_proration = bool(line.get("proration") or of_item.get("proration"))
    kind = inner(line, "parent").get("type") or line.get("type")
    period = inner(line, "period")
    return InvoiceLine(
        amount=whole(line.get("amount")),
        starts_at=whole(period.get("start")),
        ends_at=whole(period.get("end")),
        is_cycle=kind in ("subscription", "subscription_item_details") and not is_proration,
        subscription=identifier(line.get("subscription")) or identifier(of_item.get("subscription")),
        product=_product(line, is_proration=is_proration),
        metadata=metadata(line.get("metadata")),
    )


def _product(line: Mapping[str, Any], *, is_proration: bool) -> str | None:
    """Return the product's name: its own, else the description's without quantity and price, else the price's.

    Stripe describes a line as quantity, a multiplication sign, the product's name and, in brackets, its price.
    The description of a proration ("Remaining time on Pro after 5 May 2026") differs each time and is not a name.
    """
    name = text(inner(line, "price", "product").get("name"))
    described = None if is_proration else text(line.get("description"))
    if described:
        described = text(_without_price(_QUANTITY.sub("", described)))
    prices = (inner(line, "price"), inner(line, "plan"))
    return name or described or next((found for price in prices if (found := text(price.get("nickname")))), None)


def _without_price(described: str) -> str:
    """Return a line's description without the price that Stripe puts at its end, such as ` (at $10.00 / month)`."""
    remark = _REMARK.search(described)
    return described[: remark.start()] if remark and " / " in remark[1] else described
