"""The forms of `POST /forms/{form}`: the step that each records, and the meaning of its fields. Data for `outbox serve`.

A field has one of these targets:

    person.email, person.phone, …   the person (the fields of `outbox.Person`)
    person.name                     first and last name in one field
    lead_id, account_id, handl_id   a key; only if the page's own server fills it in, never the visitor
    details.<name>                  a parameter of the conversion, sent to every destination
    ignore                          not stored, although its name is one of `COMMON_NAMES`

A field without a target in the configuration or in `COMMON_NAMES` is not stored: a message may contain anything.
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

# The letters and digits of a field's name → its target, so `E-Mail`, `e_mail` and `email` are one name. The prefixes in
# `_PREFIXES` are ignored (`your-email` of WordPress's Contact Form 7).
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
_PREFIXES = ("your", "contact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form.

    `fields` maps the names of its fields to targets and precedes the common names; `required` names the fields that must
    contain something usable. `value`, `currency`, `product`, `content_category` and `details` are added to every conversion
    that has none of its own. `consent` is the checkbox with which the visitor allows advertising: unticked means denied.
    `honeypot` is a field that people do not see. `redirect` is the page to redirect to.
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
        """Return the target of the field `name`, or None."""
        return self.fields.get(name) or common_target(name)

    def fixed_details(self) -> dict[str, Scalar]:
        """Return the details that are added to every conversion of this form."""
        own = {
            "form": self.name,
            "product": self.product,
            "content_category": self.content_category,
            "value": self.value,
            "currency": self.currency,
        }
        return {**self.details, **{name: value for name, value in own.items() if value is not None}}


def common_target(name: str) -> str | None:
    """Return the usual target of a field of this name, or None."""
    letters = re.sub(r"[^a-z0-9]", "", name[:100].lower())
    for prefix in _PREFIXES:
        letters = letters.removeprefix(prefix)
    return COMMON_NAMES.get(letters)


FORMS: tuple[Form, ...] = (
    Form(name="lead-form-ds25"),
    Form(name="conference", step="demo_requested", content_category="conference"),
    Form(name="demo", step="demo_requested", content_category="demo"),
    Form(name="dealer", step="demo_requested", content_category="dealer"),
    Form(name="quote", step="demo_requested", content_category="quote"),
    Form(name="trial-download", step="trial_downloaded"),
)
"""The forms of the default funnel."""
