"""Read values out of Stripe's JSON. A value of the wrong type or out of bounds reads as absent. Pure; never raises.

An id may come as such or as the whole object (expanded); an absent object comes as null, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from outbox.http_input import printable
from outbox.money import read_currency
from outbox.person import Person
from outbox.personal_data import holds_email

MAX_ID = 255  # characters of an object's id; Stripe asks for no more to be stored
MAX_METADATA = 500  # characters of a value of metadata
_LATEST = 4_102_444_800  # 2100, in seconds since 1970
_LARGEST = 2**53  # beyond any amount; what every JSON reader reads exactly


def inner(value: Any, *names: str) -> Mapping[str, Any]:
    """Return the object at the path `names` inside `value`, empty if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def entries(value: Any) -> Iterator[Mapping[str, Any]]:
    """Return the objects of one of Stripe's lists; an event holds the first ten."""
    data = value.get("data") if isinstance(value, Mapping) else None
    return (entry for entry in data if isinstance(entry, Mapping)) if isinstance(data, list) else iter(())


def identifier(value: Any) -> str | None:
    """Return an object's id, given the id or the expanded object."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_ID else None


def whole(value: Any) -> int:
    """Return a whole number that is not negative; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST else 0


def moment(seconds: Any) -> datetime | None:
    """Return one of Stripe's times, in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC) if 0 < whole(seconds) < _LATEST else None


def text(value: Any, limit: int = MAX_METADATA) -> str | None:
    """Return a text in one line, or None if it is empty."""
    return printable(value, limit) or None if isinstance(value, str) else None


def currency(value: Any) -> str | None:
    """Return an ISO 4217 code in upper case."""
    return read_currency(value) if isinstance(value, str) and len(value) == 3 else None


def metadata(*sources: Any) -> dict[str, str]:
    """Return the metadata of several objects as one; of several values for a key, the first object's wins."""
    merged: dict[str, str] = {}
    for source in sources:
        for key, value in inner(source).items():
            if isinstance(key, str) and key not in merged and (found := text(value)):
                merged[key] = found
    return merged


def person(details: Mapping[str, Any], prefix: str = "") -> Person | None:
    """Return the person in `details`: customer_details, billing_details, a customer, or an invoice's `customer_*` fields.

    Stripe has one name: its first word is used as the first name and its last as the last name. A company's name
    matches nobody.
    """
    address = inner(details, f"{prefix}address")
    names = (text(details.get(f"{prefix}name")) or "").split()
    found = {
        "email": text(details.get(f"{prefix}email")),
        "phone": text(details.get(f"{prefix}phone")),
        "first_name": names[0] if names else None,
        "last_name": names[-1] if len(names) > 1 else None,
        **{name: text(address.get(name)) for name in ("city", "state", "postal_code", "country")},
    }
    return Person(**found) if any(found.values()) else None


def is_opaque(value: str) -> bool:
    """Return whether a value may be stored in Stripe's metadata: short enough, and no e-mail address."""
    return 0 < len(value) <= MAX_METADATA and value.isprintable() and not holds_email(value)
