"""Build one delivery for a destination: for the sender, the re-sends after a merge, and the preview."""

from __future__ import annotations

from datetime import datetime

import msgspec
import structlog

from dispatcher.destinations.base import Destination, Payload
from dispatcher.identity.profile import Profile, profile_from_event
from dispatcher.models import ClaimedDelivery, Delivery, Route
from dispatcher.reasons import CANNOT_BUILD, Refusal

log = structlog.get_logger()


def build(
    destination: Destination,
    delivery: Delivery | ClaimedDelivery,
    profile: Profile | None,
    route: Route | None,
    now: datetime,
) -> Payload | Refusal:
    """Return the payload of one delivery, or why the destination would refuse it.

    `profile`: None if only the event itself is known. Without a route the merge is reported, without an event. The payload
    refers to the delivery as given: the mappings of a claimed one are dropped, so that they take no memory until it is sent.
    """
    try:
        decoded = delivery.decoded()
        profile = profile or profile_from_event(decoded.event)
        built = (
            destination.build_merge(decoded, profile, now)
            if route is None
            else destination.build(decoded, profile, route, now)
        )
    except Exception as error:  # noqa: BLE001 - isolate failures to the single event
        log.error("event cannot be built", id=delivery.event.id, error=type(error).__name__)
        return CANNOT_BUILD
    return msgspec.structs.replace(built, delivery=delivery) if isinstance(built, Payload) else built
