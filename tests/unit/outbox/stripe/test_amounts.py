"""Amounts: exact, in every currency's own minor unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.stripe.amounts import decimals, money

ZERO = ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
THREE = ["BHD", "JOD", "KWD", "OMR", "TND"]
TWO = ["EUR", "USD", "GBP", "BRL", "INR", "ISK", "UGX", "HUF", "TWD"]


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [
        (1999, "usd", "19.99"),
        (1, "eur", "0.01"),
        (500, "jpy", "500"),
        *((1000, code, "1000") for code in ZERO),
        *((1000, code, "1.000") for code in THREE),
        (5120, "kwd", "5.120"),
        (500, "ugx", "5"),  # no minor unit, but written with two decimals
        (50000, "isk", "500"),
        (10000, "huf", "100"),  # two decimals but in payouts
        (10000, "twd", "100"),
        (99999999, "usd", "999999.99"),
    ],
)
def test_an_amount_is_what_the_currency_makes_of_it(amount, currency, value):
    assert money(amount, currency) == Decimal(value)
    assert money(amount, currency.upper()) == Decimal(value)


@given(st.integers(0, 2**53), st.sampled_from(ZERO + THREE + TWO))
def test_nothing_is_rounded(amount, currency):
    assert money(amount, currency) * 10 ** decimals(currency) == amount
    assert str(amount) == str(money(amount, currency)).replace(".", "").lstrip("0").zfill(1)
