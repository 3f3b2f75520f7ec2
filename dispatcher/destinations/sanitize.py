"""Reading values out of JSON that any writer may have put into the log: of the right type, in bounds, or not there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any

from dispatcher.models import Route
from outbox.page_url import clean_url
from outbox.personal_data import holds_email

SHA256 = re.compile(r"[0-9a-f]{64}(\.[A-Za-z0-9_-]{2}|\.[A-Za-z0-9_-]{8})?")
"""A hash as Meta takes it, with or without the suffix of its parameter builder (destinations.md 1.3)."""

EMPTY_HASH = sha256(b"").hexdigest()

_HEXADECIMAL = b"0123456789abcdef"

PERSONAL_NAMES = frozenset(
    {
        "email", "e_mail", "mail", "phone", "phone_number", "mobile", "tel", "telephone", "name", "first_name", "last_name",
        "full_name", "address", "street", "date_of_birth", "birthday",
    }
)  # fmt: skip
"""Details that no destination may have in the clear, whatever a writer put there."""

MOST_REMEMBERED = 100
"""Characters of a text that may come again and again: a form, a product, a campaign."""

_MOST_REMEMBERED_OF_URL = 500

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_MARGIN = 320
"""Characters that are read beyond a limit, so that an address which the cut would break is still seen."""
_LONGEST_NUMBER = 400  # characters: all digits of a double


def text(values: Mapping[str, Any], name: str, limit: int = 1000) -> str | None:
    """Give `values[name]` as a text without control characters, cut at `limit`; None if there is none."""
    return _text(values.get(name), limit)


def words(values: Mapping[str, Any], name: str, limit: int = 1000) -> str | None:
    """Give `values[name]` as `text` does, unless it seems to hold an e-mail address."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= MOST_REMEMBERED:
        return _words(value, limit)
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


@lru_cache(maxsize=4096)  # forms, products and campaigns are the same few again and again
def _words(value: str, limit: int) -> str | None:
    return _impersonal(_cleaned(value, limit + _MARGIN), limit)


def _impersonal(found: str | None, limit: int) -> str | None:
    return None if found is None or holds_email(found) else found[:limit]


def number(values: Mapping[str, Any], name: str) -> float | int | None:
    """Give `values[name]` as a finite number; a number written as text counts."""
    value = values.get(name)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        if len(value) > _LONGEST_NUMBER:
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and abs(value) < 1e15 and math.isfinite(value):  # beyond any money
        return value
    return None


def currency(values: Mapping[str, Any], name: str = "currency") -> str | None:
    """Give an ISO 4217 code in upper case."""
    code = words(values, name, 10)
    return code.upper() if code and len(code) == 3 and code.isascii() and code.isalpha() else None


def money(details: Mapping[str, Any], step: Route) -> tuple[float | None, str | None]:
    """Give value and currency: the event's own, else the funnel's for this step. No value without a currency."""
    code = currency(details) or step.currency
    value = number(details, "value")
    value = step.value if value is None else value
    return (value if code else None), code


def category(details: Mapping[str, Any], step: Route) -> str | None:
    """Give content_category: the event's own, else the funnel's, else the product."""
    own = words(details, "content_category") or step.parameters.get("content_category")
    return own or words(details, "product")


def hashes(values: Mapping[str, Any], name: str) -> list[str]:
    """Give the SHA-256 values of a list (or a single one), without repeats; anything else is not passed on."""
    listed = values.get(name)
    if not isinstance(listed, list):
        listed = [listed]
    if len(listed) == 1:
        return listed if _is_hash(listed[0]) else []
    return list(dict.fromkeys(filter(_is_hash, listed)))


def hashed_traits(values: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Give the hashes of all these fields by name, and what a receipt keeps of them."""
    found: dict[str, Any] = {}
    sent: list[str] = []
    for name in names:
        if name not in values:
            continue
        listed = values[name]
        if isinstance(listed, list) and len(listed) == 1 and _is_hash(listed[0]):  # nearly all are
            found[name] = listed
            sent.append(f"{name}:{listed[0][:8]}")
        elif sound := hashes(values, name):
            found[name] = sound
            sent += [hash_digest(name, value) for value in sound]
    return found, sent


def _is_hash(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if len(value) == 64 and value.isascii():  # of which most are; a third of what the expression takes
        return not value.encode().translate(None, _HEXADECIMAL) and value != EMPTY_HASH
    return SHA256.fullmatch(value) is not None


def ip(values: Mapping[str, Any]) -> str | None:
    """Give `values["ip"]`, in its usual form, if it is an IPv4 or IPv6 address."""
    address = text(values, "ip", 64)
    if address is None:
        return None
    family = AF_INET6 if ":" in address else AF_INET
    try:
        packed = inet_pton(family, address)
    except (OSError, ValueError):  # ValueError: no ASCII
        return None
    return inet_ntop(family, packed) if family == AF_INET6 else address  # of IPv4 the usual form is the only one taken


def url(values: Mapping[str, Any], name: str) -> str | None:
    """Give a web address, without secrets and personal data in its query (a SQL writer's has not been cleaned yet)."""
    found = values.get(name)
    if isinstance(found, str) and len(found) <= _MOST_REMEMBERED_OF_URL:
        return _url(found)
    address = _text(found, 4000)
    return clean_url(address) if address else None


@lru_cache(maxsize=1024)  # a site has few pages
def _url(found: str) -> str | None:
    address = _cleaned(found, 4000)
    return clean_url(address) if address else None


def hash_key(key: str) -> str:
    """Hash an identifier as the owner's browser side does: trimmed, lower-cased (design, part 6.4)."""
    return sha256(key.strip().lower().encode("utf-8", "replace")).hexdigest()


def hash_digest(name: str, hashed: str) -> str:
    """Give what a receipt keeps of a hash: its field and eight hex digits, enough to tell whether it changed."""
    return f"{name}:{hashed[:8]}"


def digest(name: str, value: str) -> str:
    """Give what a receipt keeps of an identifier that is sent as it is, in the same form."""
    return f"{name}:{sha256(value.encode()).hexdigest()[:8]}"
