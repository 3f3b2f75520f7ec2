"""How well an event identifies a person: the fields of both destinations, and an estimate of Meta's match quality.

Meta's Event Match Quality goes from 0 to 10 and its weights are not public. These keep the order in which the Help
Center ("About Event Match Quality") and the best-practices page rank the parameters, and add up to 10; an anonymous
visitor with click id, browser id, address, user agent and external id comes to between 4 and 5, as seen in practice.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

__all__ = ["META_IDENTIFIERS", "estimate", "feedback"]

# Parameter → the name by which the Dataset Quality API calls it, what a person calls it, its weight.
META_IDENTIFIERS: dict[str, tuple[str, str, float]] = {
    "em": ("email", "Email", 2.0),
    "ph": ("phone", "Phone", 1.2),
    "fn": ("first_name", "First name", 0.35),
    "ln": ("last_name", "Last name", 0.35),
    "ct": ("city", "City", 0.25),
    "st": ("state", "State", 0.15),
    "zp": ("zip", "Postal code", 0.25),
    "country": ("country", "Country", 0.35),
    "db": ("date_of_birth", "Date of birth", 0.3),
    "ge": ("gender", "Gender", 0.1),
    "external_id": ("external_id", "External ID", 1.0),
    "fbc": ("fbc", "Click ID", 1.2),
    "fbp": ("fbp", "Browser ID", 0.9),
    "client_ip_address": ("ip_address", "IP address", 0.9),
    "client_user_agent": ("user_agent", "User agent", 0.7),
}


def estimate(user_data: Mapping[str, Any], invalid: Container[str] = ()) -> float:
    """Return the estimated match quality, 0 to 10, of an event with this `user_data`; `invalid` keys add nothing."""
    present = (key for key, value in user_data.items() if value and key not in invalid)
    return round(sum(META_IDENTIFIERS[key][2] for key in present if key in META_IDENTIFIERS), 1)


def feedback(event_name: str, events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one entry of the Dataset Quality API's `web` list for events (as Meta received them) of one name.

    Shape: "Dataset Quality API", field `web`. What a sandbox cannot know (browser events, ACR) is left out, as there.
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
                {"identifier": name, "coverage": {"percentage": _percentage(n, len(events))}}
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
