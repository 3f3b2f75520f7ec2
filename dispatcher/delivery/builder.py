"""Build one delivery for a destination: for the sender, the re-sends after a merge, and the preview.

A repeat is the same send: what the first send that may have been taken fixed (`SentAs`) goes into every
later one, or it is refused.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import structlog

from dispatcher.destinations.base import Destination, Payload
from dispatcher.identity.keys import Key, Kind
from dispatcher.identity.profile import Profile, profile_from_event
from dispatcher.models import ClaimedDelivery, Delivery, Event, Route, SentAs
from dispatcher.reasons import CANNOT_BUILD, CANNOT_REPEAT, Refusal

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
        if sent_as := delivery.sent_as:
            if sent_as.dataset != destination.dataset:
                return CANNOT_REPEAT
            profile = _as_sent(decoded.event, profile, sent_as)
            route = msgspec.structs.replace(route, event_name=sent_as.event_name) if route else None
        built = (
            destination.build_merge(decoded, profile, now)
            if route is None
            else destination.build(decoded, profile, route, now)
        )
    except Exception as error:  # noqa: BLE001 - isolate failures to the single event
        log.error("event cannot be built", id=delivery.event.id, error=type(error).__name__)
        return CANNOT_BUILD
    if not isinstance(built, Payload):
        return built
    sent_as = SentAs(
        destination.dataset,
        route.event_name if route else "",
        sent_as.event_time if sent_as else (now if delivery.event.occurred_at > now else None),
        built.account_id,
        built.fixed,
    )
    return msgspec.structs.replace(built, delivery=delivery, sent_as=sent_as)


def _as_sent(event: Event, profile: Profile, sent_as: SentAs) -> Profile:
    """Return the profile under which a repeat goes out.

    If the event belongs to another account by now than the one it was sent under, it is repeated under that with its own
    traits only. What the person has refused since counts.
    """
    account_id = sent_as.account_id
    if account_id is msgspec.UNSET or account_id == profile.account_id:
        return profile
    own = profile_from_event(event)
    keys = tuple(key for key in own.keys if key.kind != Kind.ACCOUNT)
    return msgspec.structs.replace(
        own,
        keys=(Key(Kind.ACCOUNT, account_id), *keys) if account_id else keys,
        account_id=account_id,
        consent=profile.consent,
        is_refused=profile.is_refused,
        has_refused=profile.has_refused,
    )
