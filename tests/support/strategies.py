"""Hypothesis strategies that the properties share."""

from __future__ import annotations

from datetime import date

import phonenumbers
from hypothesis import strategies as st

PERSON_FIELDS = (
    *("email", "phone", "first_name", "last_name", "city", "state", "postal_code", "country"),
    *("date_of_birth", "gender"),
)

# Any text: all of Unicode, including lone surrogates and control characters.
wild_text = st.text(st.characters(exclude_categories=()), max_size=60)

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
appendices = st.sampled_from(["", ".AQ", ".Bg", ".AQQAAQEA", ".a-b_C123"])

blanks = st.text(" \t\n\r\u00a0\u2003\u3000", max_size=3)

# Valid e-mail addresses, in either case.
_atoms = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.", min_size=1, max_size=30
).filter(lambda atom: atom.strip("."))
_labels = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,10}", fullmatch=True)
_domains = st.one_of(
    st.sampled_from(["gmail.com", "GMail.com", "googlemail.com", "example.co.uk"]),
    st.builds("{}.{}".format, _labels, st.from_regex(r"[A-Za-z][A-Za-z]{1,6}", fullmatch=True)),
)
addresses = st.builds("{}@{}".format, _atoms, _domains)

# Names from any language: letters with and without combining accents, and the separators between them.
names = st.text(
    st.one_of(
        st.characters(categories=("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd")),
        st.sampled_from(" -'.\u2019\u0301\u0308\u0327eaoéåß"),
    ),
    max_size=20,
)

regions = st.sampled_from([*sorted(phonenumbers.SUPPORTED_REGIONS), None])

# Texts like phone numbers: a calling code with or without its plus, and digits with the usual separators.
numbers = st.builds(
    "{}{}{}".format,
    st.sampled_from(["+", "00", "0", "", "+00", "+ ", "(", "+("]),
    st.sampled_from([*map(str, sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)), ""]),
    st.text("0123456789 ()-.", min_size=3, max_size=16),
)


@st.composite
def international_numbers(draw: st.DrawFn) -> str:
    """Draw a plus, a calling code, a possible number of digits, and separators anywhere."""
    code = draw(st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)))
    region = phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    length = draw(st.sampled_from(metadata.general_desc.possible_length))
    digits = f"{code}{draw(st.text('0123456789', min_size=length, max_size=length))}"
    return "+" + "".join(digit + draw(st.sampled_from(["", "", "", " ", "-", ".", " (", ") "])) for digit in digits)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), wild_text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(wild_text, inner, max_size=3)),
    max_leaves=6,
)

# Any value that may be given for a person's field, from what a form sends to what no form ever should.
person_values = st.one_of(
    json_values,
    st.binary(max_size=20),
    st.dates(),
    st.dates(date(1850, 1, 1), date(2150, 1, 1)).map(lambda day: day.strftime("%d/%m/%Y")),
    st.integers(0, 10**16),
    st.builds("{}{}".format, digests, appendices),
    addresses,
    names,
    numbers,
    st.sampled_from(
        ["United States", "uk", "DE", "California", "US-CA", "94025-1234", "M1 1AE", "male", "F", "1997-02-16"]
    ),
)
persons = st.dictionaries(st.sampled_from(PERSON_FIELDS), person_values)
