"""The card that the page shows for one arrival. Pure; the template only renders it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from dispatcher.sandbox.faults import FAULTS
from dispatcher.sandbox.ledger import Arrival
from dispatcher.sandbox.meta.dataset_quality import META_IDENTIFIERS, estimate
from dispatcher.sandbox.problem import Problem

__all__ = ["Card", "Field", "card"]

SHOWN = 48  # characters of a value; the payload has all of it
_digest = re.compile(r"[a-f0-9]{64}").match
_index = re.compile(r"\[\d+\]")

# Path of a field → its label. An expected field is shown as missing when it is absent.
META_EVENT = {
    "event_id": "Event ID",
    "event_time": "Event time",
    "action_source": "Action source",
}
META_WEBSITE = {"event_source_url": "Page address"}
META_MORE = {
    "custom_data.value": "Value",
    "custom_data.currency": "Currency",
    "custom_data.predicted_ltv": "Predicted LTV",
    "custom_data.order_id": "Order ID",
    "custom_data.content_name": "Content name",
    "custom_data.content_category": "Content category",
}
GA4_WHO = {
    "client_id": "Client ID",
    "user_id": "User ID",
    "user_data.sha256_email_address": "Email",
    "user_data.sha256_phone_number": "Phone",
    "params.session_id": "Session ID",
}
GA4_WHO_MORE = {
    "consent.ad_user_data": "Ad user data",
    "consent.ad_personalization": "Ad personalisation",
    "user_properties": "User properties",
    "ip_override": "IP address",
    "user_agent": "User agent",
}
GA4_EVENT = {
    "params.event_id": "Event ID",
    "timestamp_micros": "Event time",
    "params.engagement_time_msec": "Engagement time",
}
GA4_MORE = {
    "params.value": "Value",
    "params.currency": "Currency",
    "params.transaction_id": "Transaction ID",
    "params.items": "Items",
    "params.page_location": "Page address",
}
VERDICTS = {
    "counted": "Counted",
    "duplicate": "Duplicate, dropped",
    "invalid": "Not valid",
}


class Field(msgspec.Struct, frozen=True):
    """One line of a card: `detail` is the shortened value, or the problem with it."""

    label: str
    key: str
    state: Literal["present", "missing", "invalid"]
    detail: str


class Card(msgspec.Struct, frozen=True):
    """One arrival, ready to be shown. `score` is between 0 and 1, `score_text` the text in its ring."""

    arrival: Arrival
    title: str
    verdict: str
    time: str
    score: float | None
    score_text: str
    score_label: str
    groups: list[tuple[str, list[Field]]]
    problems: list[Problem]
    remarks: list[Problem]
    fault: str
    payload: str
    envelope: str


def card(arrival: Arrival) -> Card:
    """Return the card of an arrival."""
    event, shared = _object(arrival.event), _object(arrival.shared)
    invalid = {_place(problem.field): problem.why for problem in arrival.problems if problem.fatal}
    groups: list[tuple[str, list[Field]]] = []
    score: float | None = None
    score_text = score_label = ""
    if arrival.kind != "request" and arrival.destination == "meta":
        identifiers = {f"user_data.{key}": label for key, (_name, label, _weight) in META_IDENTIFIERS.items()}
        who = _fields(event, identifiers, {}, invalid)
        website = event.get("action_source") == "website"
        expected, optional = (
            (META_EVENT | META_WEBSITE, META_MORE) if website else (META_EVENT, META_WEBSITE | META_MORE)
        )
        groups = [("Who", who), ("What", _fields(event, expected, optional, invalid))]
        user_data = event.get("user_data")
        wrong = {place.removeprefix("user_data.") for place in invalid}
        points = estimate(user_data, wrong) if isinstance(user_data, dict) else 0.0
        score, score_text, score_label = points / 10, f"{points:.1f}", "Match quality, estimate"
    elif arrival.kind != "request":
        who = _fields(shared | event, GA4_WHO, GA4_WHO_MORE, invalid)
        groups = [("Who", who)]
        if arrival.kind == "event":
            groups.append(("What", _fields(shared | event, GA4_EVENT, GA4_MORE, invalid)))
        present = sum(field.state == "present" for field in who[: len(GA4_WHO)])
        score, score_text = present / len(GA4_WHO), f"{present}/{len(GA4_WHO)}"
        score_label = "Identifiers present"
    if groups:
        groups[-1][1].extend(_others(groups, invalid))
    return Card(
        arrival,
        _title(arrival),
        "Refused" if arrival.destination == "meta" and arrival.verdict == "invalid" else VERDICTS[arrival.verdict],
        _clock(arrival.at),
        score,
        score_text,
        score_label,
        groups,
        [problem for problem in arrival.problems if problem.fatal],
        [problem for problem in arrival.problems if not problem.fatal],
        FAULTS[arrival.fault].does if arrival.fault else "",
        _pretty(arrival.payload),
        "" if shared == {} else _pretty(arrival.envelope),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _title(arrival: Arrival) -> str:
    if arrival.kind == "request":
        return "Request refused" if arrival.destination == "meta" else "Request without events"
    if arrival.kind == "enrichment":
        return "User data only"
    return arrival.event_name or "(no name)"


def _place(field: str) -> str:
    """Return the place of a problem within its event: `events[2].params.items[0].price` is at `params.items`."""
    parts = _index.sub("", re.sub(r"^events\[\d+\]\.?", "", field)).split(".")
    return ".".join(parts[:2]) if parts[0] in ("user_data", "custom_data", "params", "consent") else parts[0]


def _fields(
    source: dict[str, Any], expected: dict[str, str], optional: dict[str, str], invalid: dict[str, str]
) -> list[Field]:
    fields = []
    for place, label in (expected | optional).items():
        value = _at(source, place)
        if place in invalid:
            fields.append(Field(label, place, "invalid", invalid[place]))
        elif value not in (None, "", [], {}):
            fields.append(Field(label, place, "present", _short(place, value)))
        elif place in expected:
            fields.append(Field(label, place, "missing", "missing"))
    return fields


def _others(groups: list[tuple[str, list[Field]]], invalid: dict[str, str]) -> list[Field]:
    """Return the invalid fields that no group shows."""
    shown = {field.key for _title, fields in groups for field in fields}
    return [
        Field(place.rpartition(".")[2], place, "invalid", why)
        for place, why in invalid.items()
        if place and place not in shown
    ]


def _at(source: dict[str, Any], place: str) -> Any:
    value: Any = source
    for part in place.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _short(place: str, value: Any) -> str:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, list | dict):
        return "1 value" if len(value) == 1 else f"{len(value)} values"
    if place == "event_time" and isinstance(value, int):
        return _clock(value)
    if place == "timestamp_micros" and isinstance(value, int):
        return _clock(value / 1_000_000)
    text = str(value)
    if _digest(text):
        return f"{text[:10]}…"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _clock(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return "out of range"


def _pretty(text: msgspec.Raw) -> str:
    try:
        return bytes(msgspec.json.format(bytes(text), indent=2)).decode()
    except (RecursionError, ValueError):
        return bytes(text).decode()
