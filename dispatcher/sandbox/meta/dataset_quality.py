"""How well an event identifies a person, and the corresponding response of Meta's Dataset Quality API.

The estimate uses the weights of `dispatcher.destinations.meta.match_quality`, which names their source: an anonymous visitor
with click id, browser id, IP address, user agent and external id gets between 4 and 5, as seen in practice.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from dispatcher.destinations.meta.match_quality import IDENTIFIERS

__all__ = ["META_IDENTIFIERS", "estimate", "feedback"]

# Parameter → its name in the Dataset Quality API, its label, its weight.
META_IDENTIFIERS: dict[str, tuple[str, str, float]] = {
    each.field: (each.api_name, each.label, each.weight) for each in IDENTIFIERS
}


def estimate(user_data: Mapping[str, Any], invalid: Container[str] = ()) -> float:
    """Return the estimated match quality, 0 to 10, of an event with this `user_data`; `invalid` keys add nothing."""
    present = (key for key, value in user_data.items() if value and key not in invalid)
    return round(sum(META_IDENTIFIERS[key][2] for key in present if key in META_IDENTIFIERS), 1)


def feedback(event_name: str, events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one entry of the Dataset Quality API's `web` list for events (as Meta received them) of one name.

    Shape: "Dataset Quality API", field `web`. What a sandbox cannot know (browser events, ACR) is omitted, as in the API.
    """
    events = list(events)
    people = [event.get("user_data") or {} for event in events]
    with_id = sum(1 for event in events if event.get("event_id"))
    coverage = {
        name: sum(1 for person in people if person.get(key))
        for key, (name, _label, _weight) in META_IDENTIFIERS.items()
    }
    return {
        "event_name": event_name,
        "event_match_quality": {
            "composite_score": round(sum(map(estimate, people)) / len(people), 1),
            "match_key_feedback": [
                {"identifier": name, "field_coverage": {"percentage": _percentage(n, len(events))}}
                for name, n in coverage.items()
                if n
            ],
            "diagnostics": [],
        },
        "dedupe_key_feedback": [
            {
                "dedupe_key": "event_id",
                "server_events_with_dedupe_key": {"percentage": _percentage(with_id, len(events))},
            }
        ],
        "data_freshness": {"upload_frequency": "real_time", "description": "Real time"},
    }


def _percentage(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)
