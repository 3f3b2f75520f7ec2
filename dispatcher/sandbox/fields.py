"""The fields of an arrival, as a card shows them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dispatcher.sandbox.stand_in import CardField

__all__ = ["clock", "fields", "others"]

SHOWN = 48  # characters of a value; the payload has all of it
UNITS = {"event_time": 1, "timestamp_micros": 1_000_000}
"""Fields that hold a time, and how many of them are a second."""
_digest = re.compile(r"[a-f0-9]{64}").match


def fields(
    source: Mapping[str, Any], expected: dict[str, str], optional: dict[str, str], invalid: Mapping[str, str]
) -> list[CardField]:
    """Return the fields of `source`; an expected one (path → label) is shown as missing when it is absent."""
    found = []
    for place, label in (expected | optional).items():
        value = _at(source, place)
        if place in invalid:
            found.append(CardField(label, place, "invalid", invalid[place]))
        elif value not in (None, "", [], {}):
            found.append(CardField(label, place, "present", _short(place, value)))
        elif place in expected:
            found.append(CardField(label, place, "missing", "missing"))
    return found


def others(groups: list[tuple[str, list[CardField]]], invalid: dict[str, str]) -> list[CardField]:
    """Return the invalid fields that no group shows."""
    shown = {field.key for _title, fields in groups for field in fields}
    return [
        CardField(place.rpartition(".")[2], place, "invalid", why)
        for place, why in invalid.items()
        if place and place not in shown
    ]


def _at(source: Mapping[str, Any], place: str) -> Any:
    value: Any = source
    for part in place.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _short(place: str, value: Any) -> str:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, list | dict):
        return "1 value" if len(value) == 1 else f"{len(value)} values"
    if place in UNITS and isinstance(value, int):
        return clock(value / UNITS[place])
    text = str(value)
    if _digest(text):
        return f"{text[:10]}…"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def clock(seconds: float) -> str:
    """Return a time, given in Unix seconds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return "out of range"
