"""A person as a CRM knows them, on the way to being sealed."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a conversion is about; every field is optional, and any spelling that people use will do.

    `country` says how a national phone number, a state and a postal code are to be read, so it is worth giving.
    `date_of_birth` is a date, or text of which it is clear what is day and what is month. A value that is hashed
    already (SHA-256) is passed on as it is. Nothing is checked here: what cannot be used is left out when the person
    is sealed, and noted, so that a bad value never fails the business transaction.

    What is printed of a person (`repr`, `str`, `format`, rich) is only which fields are set.
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
