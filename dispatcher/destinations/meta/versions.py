"""When each version of Meta's Graph API stops working: a table to compare with Meta's changelog."""

from __future__ import annotations

from datetime import date

ENDS: dict[str, date] = {
    "v18.0": date(2026, 1, 26),
    "v19.0": date(2026, 5, 21),
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v23.0": date(2027, 10, 8),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
}
"""Versions of the Graph API and their end. A version not listed is older or newer.

Source: https://developers.facebook.com/docs/graph-api/changelog
"""


def end_of(version: str) -> date | None:
    """Return the day on which `version` stops working; None if it is newer than the table."""
    if version in ENDS:
        return ENDS[version]
    return min(ENDS.values()) if _number(version) < min(map(_number, ENDS)) else None


def _number(version: str) -> float:
    return float(version.removeprefix("v"))
