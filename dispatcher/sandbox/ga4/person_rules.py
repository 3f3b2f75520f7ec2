"""GA4's documented requirements for the user in a request: ids, user properties, user_data, consent, location.

`user_data` uses Google's own normal forms, which differ from Meta's (a phone number keeps its `+`, Gmail loses its dots);
only the form of a digest can be checked. Sources: see `ga4.rules`.
"""

# ruff: noqa: SIM905 - a table of words reads best as text
from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from dispatcher.sandbox.problem import Problem

__all__ = ["judge"]

MAX_USER_ID = 256
MAX_PROPERTIES = 25
MAX_PROPERTY_NAME = 24
MAX_PROPERTY_VALUE = 36
MAX_DIGESTS = 3
MAX_ADDRESSES = 2
RESERVED_PROPERTIES = frozenset(
    "first_open_time first_visit_time last_deep_link_referrer user_id first_open_after_install".split()
)
RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_")
LOCATION_FIELDS = frozenset("city region_id country_id subcontinent_id continent_id".split())
DEVICE_FIELDS = frozenset(
    "category language screen_resolution operating_system operating_system_version model brand browser "
    "browser_version".split()
)
CONSENT_FIELDS = frozenset({"ad_user_data", "ad_personalization"})
CONSENT_VALUES = ("GRANTED", "DENIED")

_digest = re.compile(r"[a-f0-9]{64}").fullmatch
EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_property_name = re.compile(r"[A-Za-z][A-Za-z0-9_]*").fullmatch
_mail = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+").fullmatch
_plain_place = re.compile(r"[^\W\d_]+(?:[\s]+[^\W\d_]+)*").fullmatch
_country = re.compile(r"[A-Za-z]{2}").fullmatch
_postal_code = re.compile(r"[^.~\s](?:[^.~]*[^.~\s])?").fullmatch

Found = list[Problem]


def judge(body: dict[str, Any], found: Found) -> None:
    """Add to `found` the violations of the documented rules in the envelope of a request."""
    if "client_id" not in body:
        found.append(Problem("client_id", "Measurement requires a client_id.", "VALUE_REQUIRED"))
    for key, rule in RULES.items():
        if key in body:
            rule(body[key], found)


def _client_id(value: object, found: Found) -> None:
    if not isinstance(value, str) or not value.strip():
        found.append(Problem("client_id", "is not a string with something in it.", "VALUE_INVALID"))


def _user_id(value: object, found: Found) -> None:
    if not isinstance(value, str) or not value:
        found.append(Problem("user_id", "is not a string with something in it.", "VALUE_INVALID"))
    elif len(value) > MAX_USER_ID:
        found.append(Problem("user_id", f"is longer than {MAX_USER_ID} characters.", "VALUE_OUT_OF_BOUNDS"))
    elif _mail(value):
        found.append(Problem("user_id", "is an e-mail address: personal data is not allowed here.", "VALUE_INVALID"))


def _user_properties(value: object, found: Found) -> None:
    if not isinstance(value, dict):
        found.append(Problem("user_properties", "is not an object.", "VALUE_INVALID"))
        return
    if len(value) > MAX_PROPERTIES:
        found.append(Problem("user_properties", f"has more than {MAX_PROPERTIES}.", "EXCEEDED_MAX_ENTITIES"))
    for name, holder in value.items():
        path = f"user_properties.{name}"
        if name in RESERVED_PROPERTIES or name.startswith(RESERVED_PREFIXES):
            found.append(Problem(path, "is reserved, or begins with a reserved prefix.", "NAME_RESERVED"))
        elif not _property_name(name) or len(name) > MAX_PROPERTY_NAME:
            found.append(
                Problem(path, f"is not up to {MAX_PROPERTY_NAME} letters, digits and underscores.", "NAME_INVALID")
            )
        if not isinstance(holder, dict) or not holder.keys() <= {"value", "timestamp_micros"}:
            found.append(Problem(path, "is not an object that holds a value.", "VALUE_INVALID"))
        elif isinstance(held := holder.get("value"), str):
            if len(held) > MAX_PROPERTY_VALUE:
                found.append(
                    Problem(f"{path}.value", f"is longer than {MAX_PROPERTY_VALUE} characters.", "VALUE_OUT_OF_BOUNDS")
                )
        elif not isinstance(held, int | float):
            found.append(Problem(f"{path}.value", "is neither a string nor a number.", "VALUE_INVALID"))


def _user_data(value: object, found: Found) -> None:
    if not isinstance(value, dict):
        found.append(Problem("user_data", "is not an object.", "VALUE_INVALID"))
        return
    for key, held in value.items():
        path = f"user_data.{key}"
        if key in ("sha256_email_address", "sha256_phone_number"):
            _digests(held, path, found)
        elif key == "address":
            _addresses(held, path, found)
        else:
            found.append(Problem(path, "Unable to parse the payload: cannot find this field.", "VALUE_INVALID"))


def _digests(value: object, path: str, found: Found) -> None:
    if not isinstance(value, list) or not value:
        found.append(Problem(path, "is not a list with something in it.", "VALUE_INVALID"))
        return
    if len(value) > MAX_DIGESTS:
        found.append(Problem(path, f"has more than {MAX_DIGESTS} values.", "EXCEEDED_MAX_ENTITIES"))
    for i, one in enumerate(value):
        _one_digest(one, f"{path}[{i}]", found)


def _one_digest(value: object, path: str, found: Found) -> None:
    if not isinstance(value, str) or not _digest(value):
        found.append(Problem(path, "is not a SHA-256 digest in lower-case hex.", "VALUE_INVALID"))
    elif value == EMPTY_DIGEST:
        found.append(Problem(path, "is the hash of the empty string.", "VALUE_INVALID"))


def _addresses(value: object, path: str, found: Found) -> None:
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        found.append(Problem(path, "is not a list of objects.", "VALUE_INVALID"))
        return
    if len(value) > MAX_ADDRESSES:
        found.append(Problem(path, f"has more than {MAX_ADDRESSES} values.", "EXCEEDED_MAX_ENTITIES"))
    for i, address in enumerate(value):
        for key, held in address.items():
            here = f"{path}[{i}].{key}"
            if key in ("sha256_first_name", "sha256_last_name", "sha256_street"):
                _one_digest(held, here, found)
            elif (form := ADDRESS_FORMS.get(key)) is None:
                found.append(Problem(here, "Unable to parse the payload: cannot find this field.", "VALUE_INVALID"))
            elif not isinstance(held, str) or not form(held):
                found.append(Problem(here, "is not in the documented normal form.", "VALUE_INVALID"))


def _consent(value: object, found: Found) -> None:
    if not isinstance(value, dict) or not value.keys() <= CONSENT_FIELDS:
        found.append(Problem("consent", "is not ad_user_data and ad_personalization.", "VALUE_INVALID"))
        return
    for key, held in value.items():
        if held not in CONSENT_VALUES:
            found.append(Problem(f"consent.{key}", "is neither GRANTED nor DENIED.", "VALUE_INVALID"))


def _ip_override(value: object, found: Found) -> None:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        found.append(Problem("ip_override", "is not an IPv4 or IPv6 address.", "VALUE_INVALID"))


def _user_agent(value: object, found: Found) -> None:
    if not isinstance(value, str) or not value:
        found.append(Problem("user_agent", "is not a string with something in it.", "VALUE_INVALID"))


def _strings(path: str, allowed: frozenset[str]) -> Callable[[object, Found], None]:
    def rule(value: object, found: Found) -> None:
        if not isinstance(value, dict) or not value.keys() <= allowed:
            found.append(Problem(path, "has a field that is not documented.", "VALUE_INVALID"))
        elif not all(isinstance(held, str) and held for held in value.values()):
            found.append(Problem(path, "contains values that are not strings.", "VALUE_INVALID"))

    return rule


def _lower_place(value: str) -> bool:
    return value == value.lower() and bool(_plain_place(value))


ADDRESS_FORMS: dict[str, Callable[[str], object]] = {
    "city": _lower_place,
    "region": _lower_place,
    "postal_code": _postal_code,
    "country": _country,
}
RULES: dict[str, Callable[[object, Found], None]] = {
    "client_id": _client_id,
    "user_id": _user_id,
    "user_properties": _user_properties,
    "user_data": _user_data,
    "consent": _consent,
    "user_location": _strings("user_location", LOCATION_FIELDS),
    "device": _strings("device", DEVICE_FIELDS),
    "ip_override": _ip_override,
    "user_agent": _user_agent,
}
