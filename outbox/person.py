"""A person as a CRM knows them, before sealing."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """The person that a conversion is about. Every field is optional, in any common spelling.

    `country` determines how a national phone number, a state and a postal code are read, so it is worth setting.
    `date_of_birth` is a date, or text in which day and month are unambiguous. A value that is already hashed (SHA-256)
    is passed on unchanged. Nothing is checked here: an unusable value is left out and noted when the person is sealed,
    so that it never fails the business transaction.

    Printing a person (`repr`, `str`, `format`, rich) shows only which fields are set.
    """

    email: str | None = None
    phone: str | int | None = None
    first_name: str | None = None
    last_name: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | int | None = None
    country: str | None = None
    date_of_birth: str | date | None = None
    gender: str | None = None

    def __repr__(self) -> str:
        return f"Person({', '.join(f'{field}=…' for field in self._fields_set())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # the one that msgspec provides would print the values
        return [(field, ...) for field in self._fields_set()]

    def _fields_set(self) -> list[str]:
        return [field for field in self.__struct_fields__ if getattr(self, field) is not None]


META_TRAITS = {
    "em": "email", "ph": "phone", "fn": "first_name", "ln": "last_name", "ct": "city", "st": "state", "zp": "postal_code",
    "country": "country", "db": "date_of_birth", "ge": "gender",
}  # fmt: skip
"""Meta's parameters for a person's hashed values, and the field that each is the hash of."""

GOOGLE_TRAITS = {"sha256_email_address": "email", "sha256_phone_number": "phone"}
"""Google's, likewise."""
