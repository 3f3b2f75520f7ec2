"""The form in which each field of a person is hashed.

Every function here takes text that `cleaned` returned and returns the normal form, never an empty one, or raises
`LeftOut`. Meta and Google disagree about e-mail addresses and phone numbers, so each has its own form there. The
rules are those of Meta's page "Customer Information Parameters" (9 January 2026) and of Google's page "Send
user-provided data" for the Measurement Protocol. Where a page says nothing, a comment gives the reason for the choice.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Literal

from outbox.personal_data import is_email


class LeftOut(Exception):  # noqa: N818 - not an error: it says why a value is not used
    """The reason why a value is left out, as a fixed text that never contains any part of the value."""


# Characters that a keyboard or a web page adds without anybody intending it. Otherwise the text is only brought into NFC.
_ZEROS = (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50)  # Arabic, Persian, Devanagari, Bengali, Thai
_UNMEANT: dict[int, str | None] = {
    **{0xFEE0 + code: chr(code) for code in range(0x21, 0x7F)},  # full-width letters, digits and signs
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **dict.fromkeys([0x00A0, 0x2007, 0x202F, 0x3000], " "),  # no-break, figure and ideographic spaces
    **dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-"),  # dashes, minus
    **dict.fromkeys([0x02BB, 0x02BC], "'"),  # letters that serve as apostrophes in Hawaiian and Ukrainian
    0x3002: ".",  # ideographic full stop
    # Invisible: soft hyphen, joiners, zero-width and bidirectional marks, variation selectors, byte order mark.
    **dict.fromkeys([0x00AD, 0x034F, 0x061C, 0x180E, 0xFEFF, *range(0xFE00, 0xFE10)]),
    **dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]),
}

LONGEST = 512
"""Characters; no value that could match anybody is longer. Unicode's normal forms take quadratic time beyond any."""

_ANY_UNMEANT = re.compile(f"[{''.join(map(chr, _UNMEANT))}]")
_ASCII_BUT_LETTERS_AND_DIGITS = bytes(code for code in range(0x80) if not chr(code).isalnum())


def cleaned(text: str) -> str:
    """Return the text trimmed, in NFC and without unintended characters; `""` if nothing remains."""
    if text.isascii():
        return text.strip()
    if _ANY_UNMEANT.search(text):
        text = text.translate(_UNMEANT)
    return normalized("NFC", text).strip()


def normalized(form: Literal["NFC", "NFKD"], text: str) -> str:
    """Return one of Unicode's normal forms of a text of at most `LONGEST` characters, else raise `LeftOut`."""
    if len(text) > LONGEST:
        raise LeftOut("too long")
    return unicodedata.normalize(form, text)


def squeezed(text: str) -> str:
    """Return only the letters, digits and accents, in lower case; `""` if nothing remains."""
    text = text.lower()
    if text.isascii():
        return text if text.isalnum() else text.encode().translate(None, _ASCII_BUT_LETTERS_AND_DIGITS).decode()
    text = text.replace(" ", "")
    if not text.isalnum():
        text = "".join(char for char in text if unicodedata.category(char)[0] in "LMN")
    return normalized("NFC", text)


_GMAIL = ("@gmail.com", "@googlemail.com")


def email_for_meta(text: str) -> str:
    """Return the address in lower case; dots and +tag are kept, at Gmail too."""
    address = text.lower()
    if not address.isascii():
        address = normalized("NFC", address)
        if not address.isprintable():
            raise LeftOut("not an e-mail address")
    if not is_email(address):
        raise LeftOut("not an e-mail address")
    return address


def email_for_google(address: str) -> str:
    """Return an address in Google's form, given Meta's: a Gmail address loses the dots before the @; a +tag is kept."""
    if address.endswith(_GMAIL):
        local, _, domain = address.partition("@")
        if not (local := local.replace(".", "")):
            raise LeftOut("not an e-mail address")
        return f"{local}@{domain}"
    return address


def name(text: str) -> str:
    """Return a first or last name, or a city, in lower case: no punctuation, no spaces, accents kept.

    Meta's page says "no punctuation" and nothing about spaces, and Meta's own libraries disagree: the parameter builder
    removes both, as the Pixel in the browser does, while the business SDK keeps both. This follows the Pixel, since Meta
    asks for the same values from both sides. Accents are kept, as in the page's own example "valéry"; in a city Meta
    allows them, though the builder drops them.
    """
    form = text.lower()
    if form.isalpha() and form.isascii():
        return form
    form = squeezed(text)
    if not (form.isalpha() or any(map(str.isalpha, form))):
        raise LeftOut("contains no letter")
    return form


_ZIP = re.compile(r"[0-9]{5}(?:[- ]?[0-9]{4})?")
_ZIP_PLUS_4 = re.compile(r"[0-9]{5}[- ][0-9]{4}")
_ZIP_COUNTRIES = frozenset({"us", "as", "fm", "gu", "mh", "mp", "pr", "pw", "um", "vi"})

# Number of digits in postal codes that may begin with zeros, which spreadsheets and numeric columns lose, by country
# (Universal Postal Union, "Postal addressing systems").
_POSTAL_DIGITS: dict[str | None, int] = {
    **dict.fromkeys(_ZIP_COUNTRIES, 5),
    **dict.fromkeys(["de", "ee", "es", "fi", "fr", "it", "kr", "lt", "mx", "my", "pl", "tr", "ua"], 5),
    **dict.fromkeys(["au", "dk", "no", "nz", "za"], 4),
    **dict.fromkeys(["co", "kz", "ro", "sg"], 6),
    "jp": 7,
    "br": 8,
}


def postal_code(text: str, country: str | None) -> str:
    """Return a postal code in lower case: no space, no dash; five digits in the US, all of it in the UK (Meta: "m11ae").

    Without a country, 12345-6789 is read as a US ZIP code.
    """
    if country in _ZIP_COUNTRIES and _ZIP.fullmatch(text):
        return text[:5]
    form = squeezed(text)
    is_number = form.isdigit()
    if is_number and 0 < (digits := _POSTAL_DIGITS.get(country, 0)) - len(form) <= 2:
        form = form.zfill(digits)
    if country in _ZIP_COUNTRIES:
        if not _ZIP.fullmatch(form):
            raise LeftOut("not a US ZIP code")
        return form[:5]
    if country is None and _ZIP_PLUS_4.fullmatch(text):
        return form[:5]
    if len(form) < 2 or not (is_number or any(map(str.isdigit, form))):
        raise LeftOut("not a postal code")
    return form


# A time may follow an ISO 8601 date, and a remark in brackets either form. A year of birth is "from 1900 to current year"
# at Meta; this module has no clock, and a future year matches nobody.
_COMPACT_DATE = re.compile(r"([0-9]{8})T")
_DATE = re.compile(r"([0-9]{1,4})[-/.\s]{1,2}([0-9]{1,2})[-/.\s]{1,2}([0-9]{1,4})(?:[T\s(].*)?", re.DOTALL)
_YEARS = range(1900, 2101)


def date_of_birth(text: str) -> str:
    """Return YYYYMMDD, given that, ISO 8601, or day, month and a four-digit year in an unambiguous order.

    The numbers decide, not the separator: 16.2.1997 and 2/16/1997 are unambiguous, 03/04/1990 and 03.04.1990 are not.
    """
    compact = text if len(text) == 8 and text.isdecimal() else _compact(text)
    try:
        year = date.fromisoformat(compact).year
    except ValueError:
        raise LeftOut("no such date") from None
    if year not in _YEARS:
        raise LeftOut("not a year of birth")
    return compact


def _compact(text: str) -> str:
    if match := _COMPACT_DATE.match(text):
        return match[1]
    if not (match := _DATE.fullmatch(text)):
        raise LeftOut("not a date")
    first, second, third = match.groups()
    if len(first) == 4:
        year, month, day = (first, third, second) if int(second) > 12 else (first, second, third)
    elif len(third) != 4:
        raise LeftOut("no four-digit year")
    elif int(first) > 12:
        year, month, day = third, second, first
    elif int(second) > 12 or int(first) == int(second):
        year, month, day = third, first, second
    else:
        raise LeftOut("day and month are ambiguous")
    return f"{year}{month:0>2}{day:0>2}"


_GENDERS = {
    **dict.fromkeys(["f", "female", "woman", "girl", "she", "her", "mrs", "ms", "miss", "madam"], "f"),
    **dict.fromkeys(["m", "male", "man", "boy", "he", "him", "mr", "mister", "sir"], "m"),
}


def gender(text: str) -> str:
    """Return `f` or `m`, the only values that Meta accepts."""
    initial = _GENDERS.get(text.lower()) or _GENDERS.get(squeezed(text))
    if not initial:
        raise LeftOut("neither of the two values that Meta accepts")
    return initial
