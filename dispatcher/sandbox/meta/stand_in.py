"""Meta, as the sandbox plays it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from aiohttp import web

from dispatcher.destinations.meta.kind import KIND
from dispatcher.sandbox.faults import COMMON, Fault
from dispatcher.sandbox.fields import fields
from dispatcher.sandbox.ledger import Arrival
from dispatcher.sandbox.meta import endpoint
from dispatcher.sandbox.meta.dataset_quality import META_IDENTIFIERS, estimate
from dispatcher.sandbox.stand_in import Proof, Shown, StandIn

# Path of a field → its label. An expected field is shown as missing when it is absent.
EVENT = {
    "event_id": "Event ID",
    "event_time": "Event time",
    "action_source": "Action source",
}
WEBSITE = {"event_source_url": "Page address"}
MORE = {
    "custom_data.value": "Value",
    "custom_data.currency": "Currency",
    "custom_data.predicted_ltv": "Predicted LTV",
    "custom_data.order_id": "Order ID",
    "custom_data.content_name": "Content name",
    "custom_data.content_category": "Content category",
}

# Field of user_data → the heading of its column.
COLUMNS = {
    "em": "em", "ph": "ph", "fn": "fn", "ln": "ln", "ct": "ct", "zp": "zp", "country": "co", "external_id": "id",
    "fbc": "fbc", "fbp": "fbp", "client_ip_address": "ip", "client_user_agent": "ua",
}  # fmt: skip


class MetaStandIn(StandIn):
    """The Conversions API: a request with one bad event is refused as a whole."""

    kind = KIND
    title = "Meta Conversions API"
    nested = frozenset({"user_data", "custom_data"})
    faults: ClassVar[Mapping[str, Fault]] = {
        **COMMON,
        "http_500": Fault("instead", "HTTP 500, code 1, is_transient"),
        "http_503": Fault("instead", "HTTP 503, code 2, is_transient"),
        "throttled": Fault("instead", "HTTP 400, code 4 or 613, with usage header"),
        "token_invalid": Fault("instead", "HTTP 401, code 190", is_halting=True),
        "permission_denied": Fault("instead", "HTTP 403, code 10", is_halting=True),
        "pixel_missing": Fault("instead", "HTTP 400, code 100/33", is_halting=True),
        "version_dead": Fault("instead", "HTTP 400, code 2635", is_halting=True),
        "wrong_received_count": Fault("after", "records all, then reports one event too few in events_received"),
    }

    def add_routes(self, app: web.Application) -> None:
        """Add Meta's paths."""
        endpoint.add_routes(app)

    def show(self, arrival: Arrival, event: dict[str, Any], shared: dict[str, Any], invalid: dict[str, str]) -> Shown:  # noqa: ARG002
        """Return who and what, with the estimated match quality."""
        identifiers = {f"user_data.{key}": label for key, (_name, label, _weight) in META_IDENTIFIERS.items()}
        is_website = event.get("action_source") == "website"
        expected, optional = (EVENT | WEBSITE, MORE) if is_website else (EVENT, WEBSITE | MORE)
        user_data = event.get("user_data")
        wrong = {place.removeprefix("user_data.") for place in invalid}
        points = estimate(user_data, wrong) if isinstance(user_data, dict) else 0.0
        groups = [
            ("Who", fields(event, identifiers, {}, invalid)),
            ("What", fields(event, expected, optional, invalid)),
        ]
        return Shown(groups, points / 10, f"{points:.1f}", "Match quality, estimate")

    @staticmethod
    def person(arrivals: Sequence[Arrival]) -> dict[str, Any]:
        """Return the user_data that Meta received last."""
        return dict(msgspec.json.decode(arrivals[-1].payload).get("user_data", {})) if arrivals else {}

    proof = Proof(
        COLUMNS,
        person,
        score=("EMQ", estimate),
        legend=(
            "em ph fn ln ct zp co  e-mail, phone, first and last name, city, postal code, country: hashed",
            "id fbc fbp ip ua      external_id (account, handlID, lead: hashed), click, browser, address, agent",
            "EMQ                   match quality out of 10, estimated by the sandbox",
        ),
        # Events that a merge has enriched are sent again, which is dropped as a repeat.
        allowed=frozenset({"counted", "duplicate"}),
    )


STAND_IN = MetaStandIn()
