"""Phone numbers in E.164, read with phonenumbers (Google's libphonenumber).

A number is used if it is *possible*: its calling code exists and its length occurs there. It need not be *valid* (lie in
a range known to be in use), because ranges open faster than libraries are updated, and the hash of a number that nobody
has matches nobody. Where a text can be read in more than one way, a valid reading takes precedence.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, ValidationResult

from outbox.normalization import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEPARATORS = b" ().-"
_DIALLED_AFTER_PLUS = re.compile(r"\+\s*00")  # "+001 616…", "+0049…"
_REGION_BEFORE = re.compile(r"([A-Z]{2})\s(?=[(\d])")  # "US (650)555-1212"
_AFTER_NUMBER = re.compile(r"(?<=\d)\s*[^\d\s()./-].*", re.DOTALL)  # an extension, or text


def e164(text: str, region: str | None) -> str:
    """Return `+` and digits, Google's form; Meta's is the same without the `+`. No extension.

    `region` (alpha-2, either case) is where a number without `+` or `00` is dialled. Without it a national number cannot
    be used: according to Meta, a number without its country code matches nobody.
    """
    if text[0] == "+" and text.isascii() and (number := _plain_international(text)):
        return number
    text = _DIALLED_AFTER_PLUS.sub("+", text, count=1)
    if not region and (match := _REGION_BEFORE.match(text)):
        region = match[1]
    region = region.upper() if region else None
    if region not in phonenumbers.SUPPORTED_REGIONS:
        region = None

    possible: str | None = None
    for reading in _readings(text, region):
        number, valid = _read(reading)
        if number and valid:
            return number
        if number and not reading.only_if_valid:
            possible = possible or number
    if possible:
        return possible
    if region is None and "+" not in text and not text.startswith("00"):
        raise LeftOut("a national number, and neither country nor region is known")
    raise LeftOut("not a possible number")


class _PhoneReading(NamedTuple):
    text: str
    region: str | None
    only_if_valid: bool = False


def _readings(text: str, region: str | None) -> Iterator[_PhoneReading]:
    """Return the ways to read a text, the most likely first."""
    if "+" in text:
        yield _PhoneReading(text, None)
        return
    digits = re.sub(r"\D", "", _AFTER_NUMBER.sub("", text))
    if digits.startswith("00"):
        yield _PhoneReading(text, region, only_if_valid=True)  # 00 may also be the region's own prefix for calls abroad
        yield _PhoneReading(f"+{digits.lstrip('0')}", None)
        return
    if region is None:
        return
    metadata = PhoneMetadata.metadata_for_region(region)
    calling_code, trunk = (str(metadata.country_code), metadata.national_prefix) if metadata else ("", None)
    # German numbers may be so long that 4915112345678 could be a national one; but a national one would begin with 0.
    if trunk and digits.startswith(calling_code) and not digits.startswith(trunk):
        yield _PhoneReading(f"+{digits}", None, only_if_valid=True)
    yield _PhoneReading(text, region)
    # Not dialled this way, but unambiguous: "01(650)123-4567" in the US, and foreign numbers that lack their plus.
    if digits.startswith(f"0{calling_code}"):
        yield _PhoneReading(f"+{digits[1:]}", None)
    if not digits.startswith("0"):
        yield _PhoneReading(f"+{digits}", None, only_if_valid=True)


def _read(reading: _PhoneReading) -> tuple[str | None, bool]:
    """Return the number in E.164 if it is possible, and whether it is valid."""
    try:
        number = phonenumbers.parse(reading.text, reading.region)
    except NumberParseException:
        return None, False
    # A number that is possible only within its own area lacks the area code.
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None, False
    valid = phonenumbers.is_valid_number(number)
    if not valid and len(set(str(number.national_number))) == 1:  # 000 0000000, 111 1111111: typed to get past a form
        return None, False
    return phonenumbers.format_number(number, PhoneNumberFormat.E164), valid


class _NumberingPlan(NamedTuple):
    """The form of the numbers under one calling code."""

    start: int  # where the national number starts
    lengths: frozenset[int]  # of the national number
    trunk: re.Pattern[str] | None  # prefix for calls within the country, not part of the number


def _plain_international(text: str) -> str | None:
    """Return the result of `_read` for `+`, digits and the usual separators, several times faster; None if in doubt.

    In doubt are numbers that may carry a trunk prefix, such as +49 (0)30…, because removing it takes judgement, and
    numbers that may be one repeated digit.
    """
    digits = text[1:]
    if not digits.isdecimal():
        digits = digits.encode().translate(None, _SEPARATORS).decode()
        if not digits.isdecimal():
            return None
    plan = _plan(digits[:3])
    if plan is None:
        return None
    start, lengths, trunk = plan
    length = len(digits) - start
    if length not in lengths or digits.count(digits[-1]) >= length or (trunk and trunk.match(digits, start)):
        return None
    return f"+{digits}"


@lru_cache(maxsize=2048)  # more than there are texts of one to three digits
def _plan(beginning: str) -> _NumberingPlan | None:
    """Return the plan of the calling code with which a number begins. No calling code is a prefix of another."""
    plans = (_plan_of(beginning[:length]) for length in (1, 2, 3))
    return next(filter(None, plans), None)


def _plan_of(calling_code: str) -> _NumberingPlan | None:
    if calling_code.startswith("0"):
        return None
    code = int(calling_code)
    region = phonenumbers.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or metadata.general_desc is None:
        return None
    numbers, trunk = metadata.general_desc, metadata.national_prefix_for_parsing
    lengths = frozenset(numbers.possible_length) - frozenset(numbers.possible_length_local_only)
    return _NumberingPlan(len(calling_code), lengths, re.compile(trunk) if trunk else None)
