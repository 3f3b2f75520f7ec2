"""Reads values from JSON that any writer may have put into the log: of the right type and within limits, or absent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from dispatcher.models import Route
from outbox.client_ip import parse_ip
from outbox.money import read_amount, read_money
from outbox.page_url import clean_url
from outbox.personal_data import holds_email

SHA256 = re.compile(r"[0-9a-f]{64}(\.[A-Za-z0-9_-]{2}|\.[A-Za-z0-9_-]{8})?")
"""A hash as Meta accepts it, with or without the suffix of its parameter builder (github.com/facebook/capi-param-builder)."""

EMPTY_HASH = sha256(b"").hexdigest()

_HEXADECIMAL = b"0123456789abcdef"

PERSONAL_NAMES = frozenset(
    {
        "email", "e_mail", "mail", "phone", "phone_number", "mobile", "tel", "telephone", "name", "first_name", "last_name",
        "full_name", "address", "street", "date_of_birth", "birthday",
    }
)  # fmt: skip
"""Details that are never sent to any destination unhashed, whatever a writer put there."""

LONGEST_CACHED = 100
"""Longest text that is cached, as forms, products and campaigns repeat."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_MARGIN = 320
"""Characters that are read beyond a limit, so that an address which the cut would break is still seen."""


def text(values: Mapping[str, Any], name: str, limit: int = 1000) -> str | None:
    """Return `values[name]` as text without control characters, cut at `limit`; None if there is none."""
    return _text(values.get(name), limit)


def safe_text(values: Mapping[str, Any], name: str, limit: int = 1000) -> str | None:
    """Return `values[name]` as `text` does, or None if it seems to contain an e-mail address."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= LONGEST_CACHED:
        return _safe_text(value, limit)
    return _impersonal(_text(value, limit + _MARGIN), limit)


def _text(value: Any, limit: int) -> str | None:
    if isinstance(value, str):
        return _cleaned(value, limit)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:limit]
    return None


def _cleaned(value: str, limit: int) -> str | None:
    value = value.strip()[: limit + _MARGIN]
    cleaned = value if value.isprintable() else _CONTROL.sub(" ", value).strip()
    return cleaned[:limit] or None


@lru_cache(maxsize=4096)  # the same few forms, products and campaigns repeat
def _safe_text(value: str, limit: int) -> str | None:
    return _impersonal(_cleaned(value, limit + _MARGIN), limit)


def _impersonal(found: str | None, limit: int) -> str | None:
    return None if found is None or holds_email(found) else found[:limit]


def number(values: Mapping[str, Any], name: str) -> float | int | None:
    """Return `values[name]` as a finite number, also if it is written as text; None if it is none."""
    return read_amount(values.get(name))


def money(details: Mapping[str, Any], route: Route) -> tuple[float | None, str | None]:
    """Return value and currency: the event's own; what it does not state is the funnel's for this step.

    If either is stated and cannot be read, there is neither, and the funnel's amount is never given another currency.
    """
    stated = read_money(details)
    if stated.unusable:
        return None, None
    code = stated.currency or route.currency
    if stated.value is not None:
        return (stated.value if code else None), code
    return (route.value if code and code == route.currency else None), code


def category(details: Mapping[str, Any], route: Route) -> str | None:
    """Return content_category: the event's own, else the funnel's, else the product."""
    own = safe_text(details, "content_category") or route.parameters.get("content_category")
    return own or safe_text(details, "product")


def hashes(values: Mapping[str, Any], name: str) -> list[str]:
    """Return the SHA-256 values of a list (or of a single value), without repeats; leave out anything else."""
    listed = values.get(name)
    if not isinstance(listed, list):
        listed = [listed]
    if len(listed) == 1:
        return listed if _is_hash(listed[0]) else []
    return list(dict.fromkeys(filter(_is_hash, listed)))


def hashed_traits(values: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the hashes of the named fields, and what a receipt keeps of them."""
    found: dict[str, Any] = {}
    sent: list[str] = []
    for name in names:
        if name not in values:
            continue
        listed = values[name]
        if isinstance(listed, list) and len(listed) == 1 and _is_hash(listed[0]):  # as nearly all are
            found[name] = listed
            sent.append(f"{name}:{listed[0][:8]}")
        elif sound := hashes(values, name):
            found[name] = sound
            sent += [hash_digest(name, value) for value in sound]
    return found, sent


def _is_hash(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if len(value) == 64 and value.isascii():  # as most are; takes a third of the time of the expression
        return not value.encode().translate(None, _HEXADECIMAL) and value != EMPTY_HASH
    return SHA256.fullmatch(value) is not None


def ip(values: Mapping[str, Any]) -> str | None:
    """Return `values["ip"]` in its usual form if it is a public IPv4 or IPv6 address, else None."""
    address = values.get("ip")
    return parse_ip(address.strip()) if isinstance(address, str) else None


def url(values: Mapping[str, Any], name: str) -> str | None:
    """Return a web address without secrets and personal data in its query (a SQL writer's is not cleaned yet)."""
    found = values.get(name)
    return clean_url(found) if isinstance(found, str) else None


def hash_key(key: str) -> str:
    """Return the hash of an identifier, trimmed and lower-cased as a browser side that hashes the same identifier does."""
    return sha256(key.strip().lower().encode("utf-8", "replace")).hexdigest()


def hash_digest(name: str, hashed: str) -> str:
    """Return what a receipt keeps of a hash: its field and eight hex digits, enough to see whether it changed."""
    return f"{name}:{hashed[:8]}"


def digest(name: str, value: str) -> str:
    """Return what a receipt keeps of an identifier that is sent unhashed, in the same form as `hash_digest`."""
    return f"{name}:{sha256(value.encode()).hexdigest()[:8]}"
