"""GA4, as the sandbox plays it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from dispatcher.destinations.ga4.kind import KIND
from dispatcher.sandbox.faults import COMMON
from dispatcher.sandbox.fields import fields
from dispatcher.sandbox.ga4 import endpoint
from dispatcher.sandbox.ledger import Arrival
from dispatcher.sandbox.stand_in import Proof, Shown, StandIn

# Path of a field → its label. An expected field is shown as missing when it is absent.
WHO = {
    "client_id": "Client ID",
    "user_id": "User ID",
    "user_data.sha256_email_address": "Email",
    "user_data.sha256_phone_number": "Phone",
    "params.session_id": "Session ID",
}
WHO_MORE = {
    "consent.ad_user_data": "Ad user data",
    "consent.ad_personalization": "Ad personalisation",
    "user_properties": "User properties",
    "ip_override": "IP address",
    "user_agent": "User agent",
}
EVENT = {
    "params.event_id": "Event ID",
    "timestamp_micros": "Event time",
    "params.engagement_time_msec": "Engagement time",
}
MORE = {
    "params.value": "Value",
    "params.currency": "Currency",
    "params.transaction_id": "Transaction ID",
    "params.items": "Items",
    "params.page_location": "Page address",
}

# Field of the person → the heading of its column.
COLUMNS = {
    "client_id": "cid", "user_id": "uid", "sha256_email_address": "em", "sha256_phone_number": "ph",
    "session_id": "ses",
}  # fmt: skip


class GA4StandIn(StandIn):
    """The Measurement Protocol: it answers 204 to anything, and refuses nothing."""

    kind = KIND
    title = "GA4 Measurement Protocol"
    refused = "not valid"
    verdict = "Not valid"
    no_events = "Request without events"
    nested = frozenset({"user_data", "params", "consent"})
    faults = COMMON

    def add_routes(self, app: web.Application) -> None:
        """Add GA4's paths."""
        endpoint.add_routes(app)

    def show(self, arrival: Arrival, event: dict[str, Any], shared: dict[str, Any], invalid: dict[str, str]) -> Shown:
        """Return who and what, with the number of identifiers."""
        who = fields(shared | event, WHO, WHO_MORE, invalid)
        groups = [("Who", who)]
        if arrival.kind == "event":
            groups.append(("What", fields(shared | event, EVENT, MORE, invalid)))
        present = sum(field.state == "present" for field in who[: len(WHO)])
        return Shown(groups, present / len(WHO), f"{present}/{len(WHO)}", "Identifiers present")

    @staticmethod
    def person(arrivals: Sequence[Arrival]) -> dict[str, Any]:
        """Return what GA4 received about the person, in one mapping."""
        if not arrivals:
            return {}
        envelope: dict[str, Any] = msgspec.json.decode(arrivals[0].envelope)
        params = msgspec.json.decode(arrivals[0].payload).get("params", {})
        return {**envelope, **envelope.get("user_data", {}), "session_id": params.get("session_id")}

    proof = Proof(COLUMNS, person, legend=("cid uid ses           GA4's client, user and session",))


STAND_IN = GA4StandIn()
