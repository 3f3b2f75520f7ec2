"""Meta's Conversions API: how one event is built and sent.

The pages named below are those of https://developers.facebook.com/docs/marketing-api/conversions-api: `using-the-api`, and in
`parameters`: `server-event`, `customer-information-parameters`, `custom-data`, `fbp-and-fbc`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from dispatcher.config.funnel import ACTION_SOURCES
from dispatcher.consent import consent_of, denies_advertising
from dispatcher.destinations import sanitize
from dispatcher.destinations.base import Payload, Response
from dispatcher.destinations.http_client import Client
from dispatcher.destinations.kind import Configured
from dispatcher.destinations.meta.limits import LIMITS
from dispatcher.destinations.meta.responses import classify
from dispatcher.destinations.meta.settings import MetaSettings
from dispatcher.destinations.sanitize import (
    PERSONAL_NAMES,
    digest,
    hash_digest,
    hash_key,
    hashed_traits,
    number,
    safe_text,
    text,
)
from dispatcher.identity.profile import LEAD_PREFIX, Profile, identifier
from dispatcher.models import Delivery, Event, Route
from dispatcher.reasons import NO_CONSENT, NO_ROUTE, Refusal
from outbox.cookies import fbc_from_fbclid, parse_fbc, parse_fbp
from outbox.person import META_TRAITS
from outbox.personal_data import holds_email_anywhere

# Subcode 2804050: Meta rejects a request with none but these (`customer-information-parameters`).
INSUFFICIENT = (
    {"ct", "country", "st", "zp", "ge", "client_user_agent"},
    {"db", "client_user_agent"},
    {"fn", "ge"},
    {"ln", "ge"},
)

_WEAK = set().union(*INSUFFICIENT)

_CAMPAIGN = (
    ("lead_source", "source"), ("lead_medium", "medium"), ("lead_campaign", "campaign"), ("lead_content", "content"),
    ("lead_term", "term"), ("fb_source", "fb_source"), ("fb_loc", "fb_loc"),
)  # fmt: skip
_NOT_CUSTOM = (
    {"value", "currency", "content_name", "content_category"}
    | {parameter for parameter, _ in _CAMPAIGN}
    | {"form", "product", "items", "action_source", "browser_pair", "origin"}
    | PERSONAL_NAMES
)
"""Details that are read separately, that are meant for the dispatcher or for another destination, or that are never sent
unhashed."""

_RENEWAL = "subscription_renewed"
_CUSTOM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_MAX_CUSTOM = 50

_encode = msgspec.json.Encoder().encode
_agent_digest = lru_cache(maxsize=1024)(digest)  # there are few different browsers


class Meta:
    """One pixel (dataset) at Meta."""

    limits = LIMITS

    def __init__(self, here: Configured[MetaSettings]) -> None:
        self.name = here.name
        self._here = here
        settings = here.settings
        self.dataset = settings.pixel_id
        self._client = Client(
            f"{settings.base_url.rstrip('/')}/{settings.api_version}/{settings.pixel_id}/events",
            # In a header, so that it appears in no URL (`using-the-api`).
            headers={"Authorization": f"Bearer {settings.token.reveal()}"},
            timeout=LIMITS.timeout,
        )

    def missing(self) -> str | None:
        """Return the name of the variable of the token if it is not set."""
        return None if self._here.settings.token else self._here.variable

    def build(self, delivery: Delivery, profile: Profile, route: Route, now: datetime) -> Payload | Refusal:
        """Return the payload of one event, or why it would be refused."""
        here = self._here
        return build(delivery, profile, route, now, consent_default=here.consent_default, lead_prefix=here.lead_prefix)

    def build_merge(self, delivery: Delivery, profile: Profile, now: datetime) -> Payload | Refusal:  # noqa: ARG002
        """Refuse: Meta accepts no identity without an event; `dispatcher.resend.planner` re-sends the events instead."""
        return NO_ROUTE

    def requests(self, payloads: Iterable[Payload]) -> Iterator[Sequence[Payload]]:
        """Group up to a thousand events into each request."""
        waiting = iter(payloads)
        while batch := list(islice(waiting, LIMITS.batch)):
            yield batch

    async def send(self, payloads: Sequence[Payload]) -> Response:
        """Send one request."""
        test_code = self._here.settings.test_code
        tail = b',"test_event_code":"%s"}' % test_code.encode() if test_code else b"}"
        body = b'{"data":[' + b",".join(payload.body for payload in payloads) + b"]" + tail
        return await self._client.post(body, lambda reply: classify(reply, sent=len(payloads)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def build(
    delivery: Delivery,
    profile: Profile,
    route: Route,
    now: datetime,
    *,
    consent_default: str = "granted",
    lead_prefix: str = LEAD_PREFIX,
) -> Payload | Refusal:
    """Return the payload of one event, or why it would be refused. Pure."""
    event = delivery.event
    consent = consent_of(profile.consent, consent_default)
    if denies_advertising(consent):
        return NO_CONSENT
    user_data, sent = _user_data(profile, lead_prefix)
    if user_data.keys() <= _WEAK and any(user_data.keys() <= insufficient for insufficient in INSUFFICIENT):
        return Refusal("failed", "insufficient identity")
    url, referrer = sanitize.url(profile.visitor, "url"), sanitize.url(profile.visitor, "referrer")
    source = _action_source(event, route, is_seen=profile.is_visit and bool(url) and "client_user_agent" in user_data)
    custom_data = _custom_data(event, route, is_website=source == "website")
    if route.event_name == "Purchase" and not ("value" in custom_data and "currency" in custom_data):
        return Refusal("failed", "missing value")  # subcode 2804009
    body: dict[str, Any] = {
        "event_name": route.event_name,
        "event_time": int(delivery.event_time(now).timestamp()),
        "event_id": event.event_id,
        "action_source": source,
    }
    if url:
        body["event_source_url"] = url
    if referrer:
        body["referrer_url"] = referrer
    body["user_data"] = user_data
    if custom_data:
        body["custom_data"] = custom_data
    sent.extend(custom_data)
    return Payload(delivery, _encode(body), sent, profile.account_id, identifiers=tuple(user_data))


def _user_data(profile: Profile, lead_prefix: str) -> tuple[dict[str, Any], list[str]]:
    """Return user_data, and its fields with digests for the receipt."""
    user_data, sent = hashed_traits(profile.meta, META_TRAITS)
    visitor = profile.visitor
    if address := sanitize.ip(visitor):
        user_data["client_ip_address"] = address
        sent.append(digest("client_ip_address", address))
    if agent := text(visitor, "user_agent"):
        user_data["client_user_agent"] = agent
        sent.append(_agent_digest("client_user_agent", agent))
    if browser := _cookie(visitor, "fbp", parse_fbp):
        user_data["fbp"] = browser
        sent.append(digest("fbp", browser))
    if click := fbc(visitor, profile.visited_at):
        user_data["fbc"] = click
        sent.append(digest("fbc", click))
    if profile.keys:
        digests: dict[str, str] = {}
        for key in profile.keys:
            hashed = hash_key(identifier(key, lead_prefix))
            digests[hashed] = hash_digest("external_id", hashed)
        user_data["external_id"] = list(digests)
        sent += digests.values()
    return user_data, sent


def fbc(visitor: Mapping[str, Any], visited_at: datetime | None) -> str | None:
    """Return the click id: the browser's own, else built from `fbclid` and the time it was first seen (`fbp-and-fbc`)."""
    if own := _cookie(visitor, "fbc", parse_fbc):
        return own
    fbclid = visitor.get("fbclid")
    if not isinstance(fbclid, str):
        return None
    try:
        seen_at = datetime.fromisoformat(visitor["fbclid_at"])
    except (KeyError, TypeError, ValueError):
        seen_at = None
    if seen_at is None or seen_at.tzinfo is None:
        seen_at = visited_at
    return fbc_from_fbclid(fbclid, int(seen_at.timestamp() * 1000)) if seen_at else None


def _cookie(visitor: Mapping[str, Any], name: str, parse: Callable[[str], str | None]) -> str | None:
    value = visitor.get(name)
    return parse(value) if isinstance(value, str) else None


def _action_source(event: Event, route: Route, *, is_seen: bool) -> str:
    """Return action_source: of a renewal the system; else the step's own, what the event states, what is known of the visit.

    `is_seen`: user agent and page of this visit are known; Meta requires both for `website`, so that where they are not,
    nobody's `website` holds.
    """
    if event.name == _RENEWAL:
        return "system_generated"
    details = event.details or {}
    for stated in (route.action_source, details.get("action_source")):
        if isinstance(stated, str) and stated in ACTION_SOURCES and (is_seen or stated != "website"):
            return stated
    if is_seen:
        return "website"
    return "system_generated" if details.get("origin") == "stripe" else "other"


def _custom_data(event: Event, route: Route, *, is_website: bool) -> dict[str, Any]:
    details = event.details or {}
    campaign = event.campaign or {}
    value, code = sanitize.money(details, route)
    candidates: dict[str, Any] = {
        "value": value,
        "currency": code,
        "content_name": safe_text(details, "content_name")
        or safe_text(details, "form")
        or safe_text(details, "product"),
        "content_category": sanitize.category(details, route),
    }
    others: dict[str, Any] = {}  # added last
    for name, found in details.items():
        if read := _READERS.get(name):
            candidates[name] = read(details, name)
        elif name not in _NOT_CUSTOM:
            others[name] = found
    for parameter, name in _CAMPAIGN:
        if name in campaign:
            candidates[parameter] = safe_text(campaign, name)
    if is_website and not candidates.get("lead_source"):
        candidates["lead_source"] = "direct"  # a visitor without a campaign
    if None in candidates.values():
        candidates = {name: found for name, found in candidates.items() if found is not None}
    if others:
        _add_others(candidates, others)
    return {**route.parameters, **candidates} if route.parameters else candidates


def _list_of(*kinds: type) -> Callable[[Mapping[str, Any], str], list[Any] | None]:
    def read(details: Mapping[str, Any], name: str) -> list[Any] | None:
        value = details[name]
        if isinstance(value, list) and value and all(isinstance(item, kinds) for item in value):
            return None if holds_email_anywhere(value) else value
        return None

    return read


# These parameters have a meaning of their own (`custom-data`); `details` holds them under the same names.
_READERS: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    **dict.fromkeys(
        ("content_type", "order_id", "status", "search_string", "delivery_category", "item_number"), safe_text
    ),
    **dict.fromkeys(("net_revenue", "predicted_ltv", "num_items"), number),
    "contents": _list_of(dict),
    "content_ids": _list_of(str, int),
}


def _add_others(custom: dict[str, Any], others: Mapping[str, Any]) -> None:
    """Add the other details as custom properties, except those that look like an e-mail address."""
    for name, value in others.items():
        if len(custom) >= _MAX_CUSTOM or not _CUSTOM_NAME.fullmatch(name):
            continue
        if isinstance(value, bool):
            custom[name] = value
        elif isinstance(value, int | float):
            if (amount := number(others, name)) is not None:
                custom[name] = amount
        elif found := safe_text(others, name):
            custom[name] = found
