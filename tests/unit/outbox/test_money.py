"""What is stated of money is read if it can mean one thing only; else it is unusable, never replaced."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.money import UNUSABLE_CURRENCY, UNUSABLE_VALUE, Money, currencies, read_amount, read_currency, read_money

AMOUNTS = [
    (49.9, 49.9), (100, 100), (0, 0), (-5, -5), (Decimal("19.99"), 19.99), ("49.90", 49.9), (" 49.90 ", 49.9), ("1e3", 1000.0),
    ("49,90", 49.9), ("49,9", 49.9), ("0,125", 0.125), ("1490,125", 1490.125), ("-49,90", -49.9), ("1.490", 1.49),
    ("1.490,00", 1490.0), ("1,490.00", 1490.0), ("1.234.567,89", 1234567.89), ("1,234,567.89", 1234567.89),
    ("1,234,567", 1234567.0), ("1.234.567", 1234567.0), ("1 490", 1490.0), ("1\u00a0490,50", 1490.5), ("1\u202f490,50", 1490.5),
    ("1'490.50", 1490.5), ("12 345 678", 12345678.0), ("\uff11\uff10\uff10", 100.0), ("\u0661\u0660\u0660", 100.0),
]  # fmt: skip
UNREADABLE = [
    "1,490", "12,345", "abc", "12abc", "1.2.3", "1,2,3", "1,23.45", "1.49.00,5", "--5", "1_000", "infinity", "nan", "1e999",
    float("nan"), float("inf"), 1e15, 10**20, True, False, [], {}, ["5"], "5-10", "0x10", "1 2", "1 4900", "x" * 100_000,
    "12,34,567.00", "free", "n/a", "5%", "5,", ",5", "1490,", "'", ".",
]  # fmt: skip


@pytest.mark.parametrize(("written", "value"), AMOUNTS)
def test_an_amount_is_read(written, value):
    assert read_amount(written) == value
    assert read_money({"value": written}) == Money(value, None)


@pytest.mark.parametrize("written", UNREADABLE)
def test_what_could_be_two_numbers_or_none_is_unusable(written):
    assert read_amount(written) is None
    money = read_money({"value": written, "currency": "EUR"})
    assert (money.value, money.currency) == (None, None)
    assert money.unusable in {(UNUSABLE_VALUE,), (UNUSABLE_CURRENCY,)}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, Money(None, None)),
        ({"value": None, "currency": ""}, Money(None, None)),
        ({"value": " "}, Money(None, None)),
        ({"value": 5, "currency": "usd"}, Money(5, "USD")),
        ({"value": "€1490.00"}, Money(1490.0, "EUR")),
        ({"value": "1.490,00 €"}, Money(1490.0, "EUR")),
        ({"value": "EUR 49,90"}, Money(49.9, "EUR")),
        ({"value": "49.90eur", "currency": "EUR"}, Money(49.9, "EUR")),
        ({"value": "-€5"}, Money(-5.0, "EUR")),
        ({"value": 100, "currency": "US$"}, Money(100, "USD")),
        ({"value": 100, "currency": "€"}, Money(100, "EUR")),
        ({"value": "$5", "currency": "CAD"}, Money(5.0, "CAD")),
        ({"value": "£5", "currency": "GBP"}, Money(5.0, "GBP")),
        ({"value": "¥500", "currency": "JPY"}, Money(500.0, "JPY")),
        ({"value": "$5"}, Money(None, None, (UNUSABLE_CURRENCY,))),
        ({"value": "$5", "currency": "EUR"}, Money(None, None, (UNUSABLE_VALUE,))),
        ({"value": "€5", "currency": "USD"}, Money(None, None, (UNUSABLE_VALUE,))),
        ({"value": 5, "currency": "XYZ"}, Money(None, None, (UNUSABLE_CURRENCY,))),
        ({"value": 5, "currency": "$"}, Money(None, None, (UNUSABLE_CURRENCY,))),
        ({"value": 5, "currency": 978}, Money(None, None, (UNUSABLE_CURRENCY,))),
        ({"currency": "ann@example.com"}, Money(None, None, (UNUSABLE_CURRENCY,))),
    ],
)
def test_money(details, expected):
    assert read_money(details) == expected


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "XBA", "CHE", "CLF", "USN", "EURO", "EU", "", "€€"])
def test_what_nobody_pays_with_is_no_currency(code):
    assert read_currency(code) is None


def test_currencies_are_those_in_use():
    assert {"EUR", "USD", "JPY", "BHD", "XAF", "XCD", "ZAR"} <= currencies()
    assert len(currencies()) > 150


@given(st.text(max_size=80) | st.integers() | st.floats() | st.none() | st.booleans())
def test_nothing_raises_and_what_is_read_is_in_range(value):
    amount = read_amount(value)
    assert amount is None or abs(amount) < 1e15


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from([("", "."), (",", "."), (".", ","), (" ", ",")]))
def test_a_number_is_read_as_it_was_meant(amount, separators):
    """Two decimals: never ambiguous, whatever the separators."""
    thousands, decimal = separators
    text = f"{amount:,.2f}".replace(",", "t").replace(".", decimal).replace("t", thousands)
    assert read_amount(text) == float(amount)
