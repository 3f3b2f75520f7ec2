"""The forms of the site: their fields, and the submitted answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import pycountry
from aiohttp import web

from outbox.personal_data import is_email


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field: `kind` is the input's type, or `select`; `wide` takes a whole row."""

    name: str
    label: str
    autocomplete: str
    kind: str = "text"
    required: bool = False
    wide: bool = False
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Answers:
    """The submitted values and errors, by the names of the fields."""

    values: dict[str, str] = field(default_factory=dict, repr=False)
    errors: dict[str, str] = field(default_factory=dict)


@cache
def countries() -> tuple[tuple[str, str], ...]:
    """Return the code and name of all countries, sorted by name."""
    return tuple(sorted(((one.alpha_2, one.name) for one in pycountry.countries), key=lambda pair: pair[1]))


EMAIL = FormField(name="email", label="Work e-mail", kind="email", autocomplete="email", required=True, wide=True)
FIRST_NAME = FormField(name="first_name", label="First name", autocomplete="given-name", required=True)
LAST_NAME = FormField(name="last_name", label="Last name", autocomplete="family-name", required=True)
PHONE = FormField(name="phone", label="Phone", kind="tel", autocomplete="tel")
CITY = FormField(name="city", label="City", autocomplete="address-level2")
POSTAL_CODE = FormField(name="postal_code", label="Postal code", autocomplete="postal-code")
COUNTRY = FormField(
    name="country",
    label="Country",
    kind="select",
    autocomplete="country",
    required=True,
    choices=(("", "Choose…"), *countries()),
)

LEAD = (FIRST_NAME, LAST_NAME, EMAIL, PHONE, COUNTRY, CITY, POSTAL_CODE)
MEETING = (
    FormField(
        name="content_category",
        label="What would you like?",
        kind="select",
        autocomplete="off",
        required=True,
        wide=True,
        choices=(
            ("conference", "Meet at the conference"),
            ("demo", "A demonstration online"),
            ("quote", "A quote"),
            ("dealer", "Become a dealer"),
        ),
    ),
    FIRST_NAME,
    LAST_NAME,
    EMAIL,
    PHONE,
    COUNTRY,
)
SIGN_UP = (FIRST_NAME, LAST_NAME, EMAIL, PHONE, COUNTRY)
SIGN_IN = (EMAIL,)
BILLING = (CITY, POSTAL_CODE)


async def read(request: web.Request, fields: tuple[FormField, ...]) -> Answers:
    """Read a submitted form. An error names the problem with a field and never quotes its value."""
    sent = await request.post()
    answers = Answers()
    for one in fields:
        text = sent.get(one.name, "")
        value = " ".join(text.split())[:200] if isinstance(text, str) else ""
        value = value.replace("\0", "")
        answers.values[one.name] = value
        if not value and one.required:
            answers.errors[one.name] = "Please fill this in."
        elif value and one.kind == "email" and not is_email(value.lower()):
            answers.errors[one.name] = "This does not look like an e-mail address."
        elif value and one.choices and value not in dict(one.choices):
            answers.errors[one.name] = "Please choose from the list."
    return answers
