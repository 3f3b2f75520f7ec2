"""Parameters for Stripe Checkout by which its later events can be matched to an account and a browser."""

from __future__ import annotations

from typing import Any, Literal

from outbox.cookies import parse_id
from outbox.stripe.readers import is_opaque
from outbox.stripe.rules import Rules

MAX_REFERENCE = 200  # characters of client_reference_id

# Neither a subscription nor a PaymentIntent inherits its session's metadata: each is given its own.
_ALSO = {"subscription": "subscription_data", "payment": "payment_intent_data"}


def checkout_metadata(
    mode: Literal["subscription", "payment"],
    *,
    account_id: str | int | None = None,
    handl_id: str | None = None,
    product: str | None = None,
    rules: Rules | None = None,
) -> dict[str, Any]:
    """Return the parameters that tie a Checkout Session to an account and a browser.

        stripe.checkout.Session.create(mode="subscription", line_items=…, success_url=…,
            **outbox.stripe.checkout_metadata("subscription", account_id=account.id, handl_id=visitor.handl_id))

    `handl_id` is the one opaque id by which the log finds the browser, and with it the click: any id that an earlier
    conversion carried as `handl_id`. `product` names what is bought, for a session of mode `payment`, whose event does
    not include it. A value that Stripe would not take or should not hold (over 500 characters, an e-mail address, a
    malformed id) is left out. Do not pass `metadata`, `subscription_data` or `payment_intent_data` beside these
    parameters; merge them.
    """
    rules = rules or Rules()
    account = str(account_id).strip() if account_id is not None else ""
    given = {
        rules.account_key: account,
        rules.handl_key: parse_id(handl_id.strip()) or "" if handl_id else "",
    }
    valid = {key: value for key, value in given.items() if is_opaque(value)}
    named = {rules.product_key: product} if product and is_opaque(product) else {}
    parameters: dict[str, Any] = {}
    if valid or named:
        parameters["metadata"] = {**valid, **named}
    if valid:
        parameters[_ALSO[mode]] = {"metadata": valid}
    reference = {"account_id": rules.account_key, "handl_id": rules.handl_key}.get(rules.client_reference, "")
    if 0 < len(valid.get(reference, "")) <= MAX_REFERENCE:
        parameters["client_reference_id"] = valid[reference]
    return parameters
