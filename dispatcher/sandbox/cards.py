"""The card that the page shows for one arrival. Pure; the template only renders it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dispatcher.sandbox.fields import clock, others
from dispatcher.sandbox.ledger import Arrival
from dispatcher.sandbox.problem import Problem
from dispatcher.sandbox.stand_in import CardField, Shown, StandIn, stand_ins

__all__ = ["Card", "card"]

_index = re.compile(r"\[\d+\]")

VERDICTS = {
    "counted": "Counted",
    "duplicate": "Duplicate, dropped",
}


class Card(msgspec.Struct, frozen=True):
    """One arrival, ready to be shown. `score` is between 0 and 1, `score_text` the text in its ring."""

    arrival: Arrival
    stand_in: StandIn
    title: str
    verdict: str
    time: str
    score: float | None
    score_text: str
    score_label: str
    groups: list[tuple[str, list[CardField]]]
    problems: list[Problem]
    remarks: list[Problem]
    fault: str
    payload: str
    envelope: str


def card(arrival: Arrival) -> Card:
    """Return the card of an arrival."""
    stand_in = stand_ins()[arrival.destination]
    event, shared = _object(arrival.event), _object(arrival.shared)
    invalid = {_place(problem.field, stand_in): problem.why for problem in arrival.problems if problem.fatal}
    shown = Shown() if arrival.kind == "request" else stand_in.show(arrival, event, shared, invalid)
    if shown.groups:
        shown.groups[-1][1].extend(others(shown.groups, invalid))
    return Card(
        arrival,
        stand_in,
        _title(arrival, stand_in),
        stand_in.verdict if arrival.verdict == "invalid" else VERDICTS[arrival.verdict],
        clock(arrival.at),
        shown.score,
        shown.score_text,
        shown.score_label,
        shown.groups,
        [problem for problem in arrival.problems if problem.fatal],
        [problem for problem in arrival.problems if not problem.fatal],
        stand_in.faults[arrival.fault].does if arrival.fault else "",
        _pretty(arrival.payload),
        "" if shared == {} else _pretty(arrival.envelope),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _title(arrival: Arrival, stand_in: StandIn) -> str:
    if arrival.kind == "request":
        return stand_in.no_events
    if arrival.kind == "enrichment":
        return "User data only"
    return arrival.event_name or "(no name)"


def _place(field: str, stand_in: StandIn) -> str:
    """Return the place of a problem within its event: `events[2].params.items[0].price` is at `params.items`."""
    parts = _index.sub("", re.sub(r"^events\[\d+\]\.?", "", field)).split(".")
    return ".".join(parts[:2]) if parts[0] in stand_in.nested else parts[0]


def _pretty(text: msgspec.Raw) -> str:
    try:
        return bytes(msgspec.json.format(bytes(text), indent=2)).decode()
    except (RecursionError, ValueError):
        return bytes(text).decode()
