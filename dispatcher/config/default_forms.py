"""The forms of `POST /forms/{form}`: which step each records, and what its fields mean. Data; read by `outbox serve`.

A field means one of these targets:

    person.email, person.phone, …   whom it is about (the fields of `outbox.Person`)
    person.name                     first and last name in one
    lead_id, account_id, handl_id   a key; only where the page's own server fills it in, never the visitor
    details.<name>                  a parameter of the conversion, told to every destination
    ignore                          not kept, although its name is one of `COMMON_NAMES`

What no configuration and no common name gives a meaning is not kept: a message may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | int | float | bool

PERSON = (
    "email", "phone", "first_name", "last_name", "city", "state", "postal_code", "country", "date_of_birth", "gender",
)  # fmt: skip
KEYS = ("lead_id", "account_id", "handl_id")
TARGETS = (*(f"person.{name}" for name in PERSON), "person.name", *KEYS, "ignore")
DETAIL = re.compile(r"details\.([A-Za-z][A-Za-z0-9_]{0,39})")

# The letters and digits of a field's name → its target: `E-Mail`, `e_mail` and `email` are one. The words before a name
# in `_BEFORE` make no difference (`your-email` of WordPress's Contact Form 7).
COMMON_NAMES: dict[str, str] = {
    "email": "person.email",
    "emailaddress": "person.email",
    "mail": "person.email",
    "workemail": "person.email",
    "businessemail": "person.email",
    "phone": "person.phone",
    "phonenumber": "person.phone",
    "tel": "person.phone",
    "telephone": "person.phone",
    "mobile": "person.phone",
    "mobilephone": "person.phone",
    "firstname": "person.first_name",
    "fname": "person.first_name",
    "givenname": "person.first_name",
    "forename": "person.first_name",
    "lastname": "person.last_name",
    "lname": "person.last_name",
    "familyname": "person.last_name",
    "surname": "person.last_name",
    "name": "person.name",
    "fullname": "person.name",
    "city": "person.city",
    "town": "person.city",
    "state": "person.state",
    "province": "person.state",
    "zip": "person.postal_code",
    "zipcode": "person.postal_code",
    "postcode": "person.postal_code",
    "postalcode": "person.postal_code",
    "country": "person.country",
    "countrycode": "person.country",
    "birthday": "person.date_of_birth",
    "birthdate": "person.date_of_birth",
    "dateofbirth": "person.date_of_birth",
    "dob": "person.date_of_birth",
    "gender": "person.gender",
    "company": "details.company",
    "companyname": "details.company",
    "organisation": "details.company",
    "organization": "details.company",
    "product": "details.product",
}
_BEFORE = ("your", "contact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form.

    `fields` maps the names of its fields to targets, before the common names; `required` names the fields that must be
    filled in with something usable. `value`, `currency`, `product`, `content_category` and `details` go with every
    conversion that does not tell its own. `consent` is the field (a checkbox) by which the visitor allows advertising:
    not ticked is denied. `honeypot` is a field that people do not see. `redirect` is the page that follows.
    """

    name: str
    step: str = "lead_submitted"
    product: str | None = None
    content_category: str | None = None
    value: float | None = None
    currency: str | None = None
    details: Mapping[str, Scalar] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    consent: str | None = None
    honeypot: str = "_gotcha"
    redirect: str | None = None

    def target(self, name: str) -> str | None:
        """Give what the field `name` means, or None."""
        return self.fields.get(name) or common_target(name)

    def fixed_details(self) -> dict[str, Scalar]:
        """Give what goes with every conversion of this form."""
        own = {
            "form": self.name,
            "product": self.product,
            "content_category": self.content_category,
            "value": self.value,
            "currency": self.currency,
        }
        return {**self.details, **{name: value for name, value in own.items() if value is not None}}


def common_target(name: str) -> str | None:
    """Give what a field of this name means in most forms, or None."""
    letters = re.sub(r"[^a-z0-9]", "", name[:100].lower())
    for before in _BEFORE:
        letters = letters.removeprefix(before)
    return COMMON_NAMES.get(letters)


FORMS: tuple[Form, ...] = (
    Form(name="lead-form-ds25"),
    Form(name="conference", step="demo_requested", content_category="conference"),
    Form(name="demo", step="demo_requested", content_category="demo"),
    Form(name="dealer", step="demo_requested", content_category="dealer"),
    Form(name="quote", step="demo_requested", content_category="quote"),
    Form(name="trial-download", step="trial_downloaded"),
)
"""The forms of the owner's spec (parts 3 and 9)."""
