"""Encode a conversion as the JSON that the SQL function `outbox.record` takes. Pure; raw personal data ends here.

A value that PostgreSQL or a destination could not take (NUL, a lone surrogate, NaN, endless nesting) is left out and
noted, so that it never fails the CRM's transaction. A structural mistake raises `ConversionError`, which names the field.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeGuard

import msgspec

from outbox.campaign import Campaign
from outbox.consent import read_consent
from outbox.conversions import Conversion
from outbox.errors import ConversionError
from outbox.money import read_money
from outbox.sealing import seal
from outbox.visitor import Visitor

MAX_KEY = 256  # characters of an id: the limit of GA4's user_id; an index row takes not much more
MAX_TEXT = 2000  # characters of a text in details; GA4 cuts at 100, Meta names no limit
MAX_ITEMS = 200  # entries of a list or mapping in details; GA4's limit on items
MAX_DEPTH = 4  # `items` needs two levels
MAX_DIGITS = 100  # of a decimal number; PostgreSQL takes many more, no destination more than a double's 17

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_AHEAD = timedelta(days=7)
_PARTS = (
    ("visitor", Visitor, "an outbox.Visitor"),
    ("campaign", Campaign, "an outbox.Campaign"),
    ("details", dict | Mapping, "a mapping"),
)
_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(conversion: Conversion, *, region: str | None = None) -> bytes:
    """Return `conversion` as UTF-8 JSON, sealed; `region` is the default region of national phone numbers (alpha-2)."""
    if not isinstance(conversion, Conversion):
        raise ConversionError("conversion", f"expected an outbox conversion, got {type(conversion).__name__}")
    name = conversion.name
    if not isinstance(name, str) or not name:
        raise ConversionError("name", "expected the name of a funnel step")
    for part, kind, expected in _PARTS:
        value = getattr(conversion, part)
        if value is not None and not isinstance(value, kind):
            raise ConversionError(part, f"expected {expected}, got {type(value).__name__}")
    notes: list[str] = []
    visitor = conversion.visitor
    event: dict[str, Any] = {
        "name": _text(name, "name", []),
        "event_id": _key("event_id", conversion.event_id or (visitor and visitor.event_id), notes) or str(uuid.uuid4()),
        "occurred_at": _occurred_at(conversion.occurred_at),
        "handl_id": _key("handl_id", conversion.handl_id or (visitor and visitor.handl_id), notes),
        "lead_id": _key("lead_id", conversion.lead_id, notes),
        "account_id": _key("account_id", conversion.account_id, notes),
        "public": True if conversion.public else None,
        "details": _clean_mapping(conversion.all_details(), "details", notes) or None,
    }
    notes.extend(read_money(event["details"] or {}).unusable)
    campaign = conversion.campaign or (visitor and visitor.campaign)
    consent = read_consent(conversion.consent, notes) or (visitor and visitor.consent)
    if campaign:
        event["campaign"] = campaign.to_json() or None  # both constructors have checked their values
    if consent:
        event["consent"] = consent
    if visitor:
        event["visitor"] = visitor.to_json() or None
        notes.extend(visitor.notes)
    if conversion.person is not None:
        sealed = seal(conversion.person, region=region)
        event["sealed"] = sealed.to_json()
        notes.extend(sealed.notes)
    if notes:
        event["notes"] = notes
    return _encoder.encode({key: value for key, value in event.items() if value is not None})


def encode_all(conversions: Sequence[Conversion], *, region: str | None = None) -> bytes:
    """Return `conversions` as one JSON array, for `outbox.record_many`."""
    return b"[" + b",".join(encode(conversion, region=region) for conversion in conversions) + b"]"


def _occurred_at(at: datetime | None) -> str | None:
    if at is None:
        return None
    if not isinstance(at, datetime):
        raise ConversionError("occurred_at", f"expected a datetime, got {type(at).__name__}")
    if at.utcoffset() is None:
        raise ConversionError("occurred_at", "expected an aware datetime; give it a time zone, e.g. datetime.now(UTC)")
    if at < _EARLIEST:
        raise ConversionError("occurred_at", "before 1970")
    if at - datetime.now(UTC) > _MOST_AHEAD:
        raise ConversionError("occurred_at", "more than 7 days in the future")
    return at.astimezone(UTC).isoformat()


def _key(field: str, value: Any, notes: list[str]) -> str | None:
    """Return an id as text. The SQL function shortens an `event_id` that is too long, and leaves out other long ids."""
    if value is None or value == "":
        return None
    if _is_plain(value, MAX_KEY):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | uuid.UUID):
        notes.append(f"{field}: expected text or a whole number, left out")
        return None
    if isinstance(value, int) and value.bit_length() > 256:
        notes.append(f"{field}: number too large, left out")
        return None
    return _text(value if isinstance(value, str) else str(value), field, notes)


def _text(value: str, field: str, notes: list[str], limit: int | None = None) -> str:
    if type(value) is not str:  # a subclass, such as a framework's safe string: only its text
        value = str.__str__(value)
    if not value.isascii() or "\0" in value:
        value, removed = _UNSTORABLE.subn("", value)
        if removed:
            notes.append(f"{field}: characters that cannot be stored were removed")
    if limit and len(value) > limit:
        notes.append(f"{field}: cut at {limit} characters")
        value = value[:limit]
    return value


def _is_plain(value: Any, limit: int) -> TypeGuard[str]:
    """Return whether a value is text that needs no change, as nearly all are."""
    return type(value) is str and len(value) <= limit and value.isascii() and "\0" not in value


def clean(value: Any, field: str, notes: list[str], depth: int = MAX_DEPTH) -> Any:
    """Return `value` as JSON that PostgreSQL can store, of bounded size; what is left out is noted under `field`."""
    for kinds, convert in _CONVERTERS:
        if isinstance(value, kinds):
            return convert(value, field, notes, depth)
    notes.append(f"{field}: {type(value).__name__} is not a JSON value, left out")
    return None


def _clean_number(value: Any, field: str, notes: list[str], depth: int) -> Any:  # noqa: ARG001 - one signature for all
    for kind, in_range in _NUMBERS:
        if isinstance(value, kind) and in_range(value):
            return kind(value)  # a subclass, such as NumPy's float64: only its number
    notes.append(f"{field}: not a finite number of reasonable size, left out")
    return None


def _clean_mapping(
    value: Mapping[Any, Any], field: str, notes: list[str], depth: int = MAX_DEPTH
) -> dict[str, Any] | None:
    if depth == 0:
        notes.append(f"{field}: nested too deeply, left out")
        return None
    result: dict[str, Any] = {}
    for key, item in value.items():
        if len(result) == MAX_ITEMS:
            notes.append(f"{field}: only the first {MAX_ITEMS} entries were kept")
            break
        name = key if _is_plain(key, 40) else _text(_key(field, key, notes) or "", field, notes, 40)
        if not name:
            continue
        if _is_plain(item, MAX_TEXT):
            result[name] = item
            continue
        kept = clean(item, f"{field}.{name}" if name.isidentifier() else field, notes, depth - 1)
        if kept is not None:
            result[name] = kept
    return result


def _clean_list(value: Sequence[Any], field: str, notes: list[str], depth: int) -> Any:
    if depth == 0:
        notes.append(f"{field}: nested too deeply, left out")
        return None
    if len(value) > MAX_ITEMS:
        notes.append(f"{field}: only the first {MAX_ITEMS} entries were kept")
    kept = (clean(item, field, notes, depth - 1) for item in value[:MAX_ITEMS])
    return [item for item in kept if item is not None]


_NUMBERS: tuple[tuple[Any, Callable[[Any], bool]], ...] = (
    (int, lambda value: value.bit_length() <= 256),
    (float, math.isfinite),
    (
        Decimal,
        lambda value: value.is_finite() and abs(value.adjusted()) <= 100 and len(value.as_tuple().digits) <= MAX_DIGITS,
    ),
)

# In this order: a bool is an int, a datetime is a date.
_CONVERTERS: tuple[tuple[Any, Callable[[Any, str, list[str], int], Any]], ...] = (
    (bool | None, lambda value, *_: value),
    (str, lambda value, field, notes, _depth: _text(value, field, notes, MAX_TEXT)),
    (int | float | Decimal, _clean_number),
    (Mapping, _clean_mapping),
    (list | tuple, _clean_list),
    (date, lambda value, *_: value.isoformat()),
    (uuid.UUID, lambda value, *_: str(value)),
)
