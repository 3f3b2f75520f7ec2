"""Stripe's amounts as money: whole numbers of a currency's minor unit, which is not the same for every currency. Pure.

Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal and special-case currencies). Everything here is
exact: no float is made of an amount on its way into the log.

| currencies                                                                  | 1000 is |
|-----------------------------------------------------------------------------|---------|
| BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF                 | 1000    |
| BHD JOD KWD OMR TND                                                         | 1       |
| all others; of them ISK and UGX have no minor unit, and HUF and TWD none in | 10      |
| payouts, but Stripe writes amounts in them with two decimals                |         |
"""

from __future__ import annotations

from decimal import Decimal

ZERO_DECIMAL = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def decimals(currency: str) -> int:
    """Return the number of decimals in Stripe's amounts of `currency` (ISO 4217, either case)."""
    code = currency.upper()
    return 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2


def money(amount: int, currency: str) -> Decimal:
    """Return `amount` minor units as a decimal number: `money(1999, "usd")` is 19.99, `money(500, "jpy")` is 500."""
    return Decimal(amount).scaleb(-decimals(currency))
