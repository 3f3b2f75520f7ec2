"""What `details` states of money: an amount and its currency, as people and systems write them. Pure.

    read_money({"value": "€1.490,00"})                      value 1490.0, currency "EUR"
    read_money({"value": "49,90", "currency": "usd"})       value 49.9, currency "USD"
    read_money({"value": "1,490"})                          unusable: 1.49 or 1490?

What is stated is read if it can mean one thing only; otherwise it is unusable, and the caller sends neither amount nor
currency. Nothing is ever guessed, and nothing stated is replaced by a default.

| written                        | read as                                                                         |
|--------------------------------|---------------------------------------------------------------------------------|
| `1490`, `1490.5`, `1e3`        | a number with a decimal point                                                   |
| `49,90`, `0,125`               | a decimal comma: one comma that cannot separate thousands                       |
| `1.490,00`, `1,490.00`         | both separators: the last one is decimal                                        |
| `1,490,000`, `1 490`, `1'490`  | thousands: a separator that appears twice, or that is never decimal             |
| `€1490`, `1490 EUR`, `US$5`    | an amount and its currency, if the sign stands for one currency                 |
| `$5` with currency `CAD`       | an amount; the sign may stand for the stated currency                           |

Currencies are those of ISO 4217 that are in use (by pycountry), without those for tests, metals and funds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from outbox.normalization import LeftOut, cleaned

UNUSABLE_VALUE = "details.value: unusable value, left out"
UNUSABLE_CURRENCY = "details.currency: unusable currency, left out"

LARGEST = 1e15
"""No amount of money is larger, and a double still holds its units exactly."""
_LONGEST = 60  # characters of an amount with its sign

SIGNS = {
    "€": "EUR", "₹": "INR", "₽": "RUB", "₺": "TRY", "₪": "ILS", "₴": "UAH", "₸": "KZT", "₫": "VND", "₦": "NGN", "₱": "PHP",
    "฿": "THB", "₾": "GEL", "₼": "AZN", "₵": "GHS", "₡": "CRC", "₲": "PYG", "₮": "MNT", "₭": "LAK", "zł": "PLN", "kč": "CZK",
    "us$": "USD", "u$s": "USD", "a$": "AUD", "au$": "AUD", "ca$": "CAD", "hk$": "HKD", "nz$": "NZD", "s$": "SGD", "r$": "BRL",
    "nt$": "TWD", "mx$": "MXN", "cn¥": "CNY", "jp¥": "JPY",
}  # fmt: skip
"""Signs that stand for one currency."""
SHARED_SIGNS = {
    "$": frozenset(
        {
            "USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "TWD", "ARS", "CLP", "COP", "UYU", "BRL", "BBD", "BMD", "BND",
            "BSD", "BZD", "CUP", "DOP", "FJD", "GYD", "JMD", "KYD", "LRD", "NAD", "SBD", "SRD", "TTD", "XCD", "XCG",
        }
    ),
    "£": frozenset({"GBP", "GIP", "FKP", "SHP", "EGP", "LBP", "SYP", "SSP", "SDG"}),
    "¥": frozenset({"JPY", "CNY"}),
    "₩": frozenset({"KRW", "KPW"}),
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
}  # fmt: skip
"""Signs that stand for several; each beside an amount whose currency is stated."""

_PLAIN = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
_WITH_SIGN = re.compile(r"([+-]?)([^0-9+\-.,' ]{0,4}) ?([+-]?[0-9][0-9., ']{0,50}) ?([^0-9+\-.,' ]{0,4})")
_SPACES = re.compile(r"[0-9]{1,3}(?:([ '])[0-9]{3})(?:\1[0-9]{3})*(?=[.,]|$)")
_NOT_MONEY = re.compile(r"X(?!AF|OF|PF|CD|CG).*|BOV|CHE|CHW|CLF|COU|MXV|USN|UYI|UYW")
"""Codes of ISO 4217 for metals, funds, units of account, tests, and none."""


class Money(NamedTuple):
    """An amount and its currency as stated; None: not stated. `unusable`: notes on what was stated and cannot be read."""

    value: float | int | None
    currency: str | None
    unusable: tuple[str, ...] = ()


def read_money(details: Mapping[str, Any]) -> Money:
    """Return what `details` states by `value` and `currency`; None and a note for what cannot be read."""
    stated, code = details.get("value"), details.get("currency")
    currency: str | None = None
    if not _is_blank(code):
        currency = read_currency(code)
        if currency is None:
            return Money(None, None, (UNUSABLE_CURRENCY,))
    if _is_blank(stated):
        return Money(None, currency)
    value, sign = _amount_and_sign(stated)
    if value is None:
        return Money(None, None, (UNUSABLE_VALUE,))
    if sign:
        named = SIGNS.get(sign.lower()) or _code(sign)
        if named and currency in {None, named}:
            currency = named
        elif currency is None:
            return Money(None, None, (UNUSABLE_CURRENCY,))
        elif currency not in SHARED_SIGNS.get(sign.lower(), ()):
            return Money(None, None, (UNUSABLE_VALUE,))
    return Money(value, currency)


def read_amount(value: Any) -> float | int | None:
    """Return a number, also if it is written as text; None if it is none, or could be two."""
    amount, sign = _amount_and_sign(value)
    return None if sign else amount


def read_currency(code: Any) -> str | None:
    """Return an ISO 4217 code in upper case, from a code or from a sign that stands for one currency; else None."""
    if not isinstance(code, str):
        return None
    text = code.strip()
    return _code(text) or SIGNS.get(text.lower())


def _code(text: str) -> str | None:
    code = text.upper()
    return code if code in currencies() else None


@cache
def currencies() -> frozenset[str]:
    """Return the codes of the currencies in use."""
    import pycountry  # noqa: PLC0415 - takes longer to import than all the rest, and many need no currency

    return frozenset(
        currency.alpha_3 for currency in pycountry.currencies if not _NOT_MONEY.fullmatch(currency.alpha_3)
    )


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _amount_and_sign(value: Any) -> tuple[float | int | None, str]:
    """Return a number, and the sign or code of a currency that is written beside it."""
    if isinstance(value, bool):
        return None, ""
    if isinstance(value, int | float | Decimal):
        return _in_range(float(value) if isinstance(value, Decimal) else value), ""
    if not isinstance(value, str) or len(value) > _LONGEST * 10:
        return None, ""
    text = value.strip()
    if _PLAIN.fullmatch(text):
        return _in_range(float(text)), ""
    if len(text) > _LONGEST:
        return None, ""
    try:
        text = cleaned(text)
    except LeftOut:
        return None, ""
    match = _WITH_SIGN.fullmatch(text)
    if match is None:
        return None, ""
    minus, before, digits, after = match.groups()
    if (before and after) or (minus and digits[0] in "+-"):
        return None, ""
    number = _decimal(minus + digits.strip())
    return (None if number is None else _in_range(float(number))), before.strip() or after.strip()


def _decimal(text: str) -> str | None:
    """Return a number with separators as Python reads it; None if it could be two numbers, or is none."""
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    if " " in digits or "'" in digits:
        match = _SPACES.match(digits)
        if match is None:
            return None
        whole, rest = match[0].replace(match[1], ""), digits[match.end() :]
        if rest and not re.fullmatch(r"[.,][0-9]+", rest):
            return None
        return sign + whole + rest.replace(",", ".")
    points, commas = digits.count("."), digits.count(",")
    if not commas and points <= 1:
        return sign + digits
    if points and commas:
        decimal = max(".,", key=digits.rfind)
        thousands = ",."[decimal == ","]
        whole, _, fraction = digits.partition(decimal)
        if digits.count(decimal) > 1 or not _is_grouped(whole, thousands) or not fraction.isdigit():
            return None
        return f"{sign}{whole.replace(thousands, '')}.{fraction}"
    separator = "," if commas else "."
    if digits.count(separator) > 1:
        return sign + digits.replace(separator, "") if _is_grouped(digits, separator) else None
    whole, _, fraction = digits.partition(separator)
    is_ambiguous = len(fraction) == 3 and len(whole) <= 3 and not whole.startswith("0")
    return f"{sign}{whole}.{fraction}" if whole.isdigit() and fraction.isdigit() and not is_ambiguous else None


def _is_grouped(whole: str, separator: str) -> bool:
    first, *groups = whole.split(separator)
    return 1 <= len(first) <= 3 and first.isdigit() and all(len(group) == 3 and group.isdigit() for group in groups)


def _in_range(value: float) -> float | int | None:
    return value if math.isfinite(value) and abs(value) < LARGEST else None
