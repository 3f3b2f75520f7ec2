"""GA4's Measurement Protocol: how one event is built and sent.

GA4 responds 204 to anything, so its limits are enforced here, by cutting or leaving out values. The pages named below are
those of https://developers.google.com/analytics/devguides/collection/protocol/ga4.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from dispatcher.consent import consent_of, denies_advertising
from dispatcher.destinations import sanitize
from dispatcher.destinations.base import Outcome, Payload, Reply, Response
from dispatcher.destinations.ga4.event_names import is_parameter
from dispatcher.destinations.ga4.limits import LIMITS
from dispatcher.destinations.ga4.settings import GA4Settings
from dispatcher.destinations.http_client import Client
from dispatcher.destinations.kind import Configured
from dispatcher.destinations.sanitize import digest, hash_digest, hashes, number, safe_text, text
from dispatcher.identity.keys import Key, Kind
from dispatcher.identity.profile import LEAD_PREFIX, Profile, identifier
from dispatcher.models import Delivery, Event, Route
from dispatcher.reasons import CANNOT_REPEAT, NO_CONSENT, NO_ROUTE, Refusal
from outbox.personal_data import holds_email

EVENTS_A_REQUEST = 25
PARAMETERS = 25
BODY_BYTES = 120_000  # the limit is 130 kB (`sending-events`)
PARAMETER_CHARACTERS = 100
USER_ID_CHARACTERS = 256
PROPERTY_CHARACTERS = 36
ITEMS = 200
SESSION = timedelta(hours=24)
"""A session takes events for 24 h after it began; a later event would start a new session without a source."""

_CLIENT_ID = re.compile(r"\d{1,20}\.\d{1,20}")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
"""The only part of a person that is sent in clear: its code, whatever a writer sealed as country."""
_SESSION_ID = re.compile(r"\d{1,20}")

_NOT_PARAMETERS = {"form", "product", "order_id", "contents", "content_ids", "action_source", "browser_pair", "origin"}
_ITEM_NAMES = {
    "item_id", "item_name", "affiliation", "coupon", "discount", "index", "item_brand", "item_category",
    "item_category2", "item_category3", "item_category4", "item_category5", "item_list_id", "item_list_name",
    "item_variant", "location_id", "price", "quantity",
}  # fmt: skip
_MONEY_NEEDED = {"purchase", "refund"}
FIXED = ("client_id", "user_id", "transaction_id")
"""By these GA4 counts users and purchases: every repeat has those of the first send."""
_HASHES = (("sha256_email_address", "user_email_hash"), ("sha256_phone_number", "user_phone_hash"))
"""Fields of user_data, and the user property that holds the beginning of the first value."""

_encode = msgspec.json.Encoder().encode

_PASSED_ON = ("ad_user_data", "ad_personalization")
"""The consent signals that GA4 takes with a request (2.5)."""


class GA4:
    """One web stream of a GA4 property."""

    limits = LIMITS

    def __init__(self, here: Configured[GA4Settings]) -> None:
        self.name = here.name
        self._here = here
        settings = here.settings
        self.dataset = settings.measurement_id
        self._client = Client(
            f"{settings.base_url.rstrip('/')}/mp/collect",
            # GA4 accepts the secret in the query only (`reference`), so this address is never logged.
            query={"measurement_id": settings.measurement_id, "api_secret": settings.secret.reveal()},
            timeout=LIMITS.timeout,
        )

    def missing(self) -> str | None:
        """Return the name of the variable of the API secret if it is not set."""
        return None if self._here.settings.secret else self._here.variable

    def build(self, delivery: Delivery, profile: Profile, route: Route, now: datetime) -> Payload | Refusal:
        """Return the payload of one event, or why it would be refused."""
        here = self._here
        return build(delivery, profile, route, now, consent_default=here.consent_default, lead_prefix=here.lead_prefix)

    def build_merge(self, delivery: Delivery, profile: Profile, now: datetime) -> Payload | Refusal:  # noqa: ARG002
        """Return the identity alone: GA4 accepts user_id and user_data for a client without any event (`user-id-data`)."""
        consent = consent_of(profile.consent, self._here.consent_default)
        if denies_advertising(consent) or consent["analytics_storage"] == "denied":
            return NO_CONSENT
        fixed = _fixed(delivery)
        if _is_refused_since(fixed, consent):
            return CANNOT_REPEAT
        envelope, sent = _envelope(delivery.event, profile, consent, self._here.lead_prefix, fixed)
        if "user_data" not in envelope:  # GA4 takes nothing else without an event
            return NO_ROUTE
        fixed = {name: envelope[name] for name in ("client_id", "user_id") if name in envelope}
        return Payload(delivery, b"", sent, profile.account_id, _encode(envelope), fixed=fixed)

    def requests(self, payloads: Iterable[Payload]) -> Iterator[Sequence[Payload]]:
        """Group up to 25 events with the same envelope into each request, within its size limit."""
        waiting: dict[bytes, list[Payload]] = defaultdict(list)
        sizes: dict[bytes, int] = {}
        for payload in payloads:
            group = waiting[payload.envelope]
            size = sizes.get(payload.envelope, len(payload.envelope)) + len(payload.body) + 1
            if len(group) == EVENTS_A_REQUEST or (group and size > BODY_BYTES):
                yield group
                group = waiting[payload.envelope] = []
                size = len(payload.envelope) + len(payload.body) + 1
            group.append(payload)
            sizes[payload.envelope] = size
        yield from waiting.values()

    async def send(self, payloads: Sequence[Payload]) -> Response:
        """Send one request."""
        body = payloads[0].envelope
        if events := b",".join(payload.body for payload in payloads if payload.body):
            body = body[:-1] + b',"events":[' + events + b"]}"
        return await self._client.post(body, classify)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def classify(reply: Reply) -> Response:
    """Return what a reply means. GA4 itself only ever responds 2xx (`reference`). Pure."""
    status = reply.status
    if 200 <= status < 300:
        return Response(Outcome.DELIVERED, None, status)
    if status == 429:
        stated = reply.headers.get("Retry-After", "")
        return Response(
            Outcome.THROTTLED, "too many requests", status, wait=min(float(stated), 3600) if stated.isdecimal() else 60
        )
    if status in {401, 403} or 300 <= status < 400:
        return Response(Outcome.HALTED, "refused; check GA4_API_SECRET and GA4_MP_BASE_URL", status)
    if status == 413:
        return Response(Outcome.REJECTED, "too large", status)
    if status in {502, 504}:
        return Response(Outcome.UNCERTAIN, "gateway got no response", status)
    return Response(Outcome.TRANSIENT, "server error" if status >= 500 else "refused before reaching GA4", status)


def build(
    delivery: Delivery,
    profile: Profile,
    route: Route,
    now: datetime,
    *,
    consent_default: str = "granted",
    lead_prefix: str = LEAD_PREFIX,
) -> Payload | Refusal:
    """Return the payload of one event, or why it would be of no use. Pure."""
    event = delivery.event
    consent = consent_of(profile.consent, consent_default)
    if consent["analytics_storage"] == "denied":
        return NO_CONSENT
    fixed = _fixed(delivery)
    if _is_refused_since(fixed, consent):
        return CANNOT_REPEAT
    parameters = _parameters(event, profile, route, now)
    if fixed:
        _repeat(parameters, fixed, _client_id(event, profile))
    if route.event_name in _MONEY_NEEDED and not ("value" in parameters and "currency" in parameters):
        return Refusal("failed", "missing value")
    envelope, sent = _envelope(event, profile, consent, lead_prefix, fixed)
    sent.extend(parameters)
    body = {
        "name": route.event_name,
        "timestamp_micros": _micros(delivery.event_time(now)),
        "params": parameters,
    }
    return Payload(
        delivery,
        _encode(body),
        sent,
        profile.account_id,
        _encode(envelope),
        _identifiers(envelope, parameters),
        {name: found for name in FIXED if (found := envelope.get(name) or parameters.get(name))},
    )


def _fixed(delivery: Delivery) -> Mapping[str, str] | None:
    """Return what a repeat must have in common with the first send, None for a first send."""
    return delivery.sent_as.other or None if delivery.sent_as else None


def _is_refused_since(fixed: Mapping[str, str] | None, consent: Mapping[str, str]) -> bool:
    """Return whether a repeat may no longer carry the user_id that was sent."""
    return bool(fixed) and "user_id" in (fixed or {}) and denies_advertising(consent)


def _repeat(parameters: dict[str, Any], fixed: Mapping[str, str], client_id: str) -> None:
    """Make the parameters those of a repeat; a session belongs to its own client only."""
    parameters.pop("transaction_id", None)
    if "transaction_id" in fixed:
        parameters["transaction_id"] = fixed["transaction_id"]
    if client_id != fixed["client_id"]:
        parameters.pop("session_id", None)


def _identifiers(envelope: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[str, ...]:
    names = ["client_id"]
    if "user_id" in envelope:
        names.append("user_id")
    names.extend(envelope.get("user_data", ()))
    if "session_id" in parameters:
        names.append("session_id")
    return tuple(names)


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def _envelope(
    event: Event, profile: Profile, consent: Mapping[str, str], lead_prefix: str, fixed: Mapping[str, str] | None
) -> tuple[dict[str, Any], list[str]]:
    """Return what all events of a request share, and its fields with digests."""
    client_id = fixed["client_id"] if fixed else _client_id(event, profile)
    envelope: dict[str, Any] = {"client_id": client_id}
    sent = [digest("client_id", client_id)]
    shares_identity = not denies_advertising(consent)
    user_id = fixed.get("user_id") if fixed else _user_id(profile, lead_prefix) if shares_identity else None
    if user_id:
        envelope["user_id"] = user_id
        sent.append(digest("user_id", user_id))
    properties: dict[str, dict[str, str]] = {}
    if profile.country and _COUNTRY.fullmatch(profile.country):
        properties["user_country"] = {"value": profile.country}
    if event.campaign and (source := safe_text(event.campaign, "source", PROPERTY_CHARACTERS)):
        properties["lead_source"] = {"value": source}
    if shares_identity:
        user_data = {}
        for name, property_name in _HASHES:
            if name in profile.google and (found := _bare_hashes(profile, name)):
                user_data[name] = found
                sent.extend([hash_digest(name, value) for value in found])
                properties[property_name] = {"value": found[0][:PROPERTY_CHARACTERS]}
        if user_data:
            envelope["user_data"] = user_data
        if profile.handl_id:
            properties["handlID"] = {"value": profile.handl_id[:PROPERTY_CHARACTERS]}
    if properties:
        envelope["user_properties"] = properties
        sent.extend(properties)
    envelope["consent"] = {signal: consent[signal].upper() for signal in _PASSED_ON}
    return envelope, sent


def _bare_hashes(profile: Profile, name: str) -> list[str]:
    """Return at most three hashes (`user-id-data`), without the suffix that only Meta knows."""
    return [value[:64] for value in hashes(profile.google, name)[:3]]


def _client_id(event: Event, profile: Profile) -> str:
    """Return the browser's client id, else one derived from the event's own key and its kind: nothing moves that."""
    own = text(profile.visitor, "ga_client_id", 64)
    if own and _CLIENT_ID.fullmatch(own):
        return own
    key = profile.client_key or f"event {event.name} {event.event_id}"
    derived = sha256(key.strip().lower().encode("utf-8", "replace")).digest()
    return f"{int.from_bytes(derived[:4]) % 2_147_483_647}.{int.from_bytes(derived[4:8]) % 2_147_483_647}"


def _user_id(profile: Profile, lead_prefix: str) -> str | None:
    """Return the account, else the lead; one that looks like an e-mail address is hashed (Google forbids those)."""
    key = profile.account_id or (identifier(Key(Kind.LEAD, profile.lead_id), lead_prefix) if profile.lead_id else None)
    if key and holds_email(key):
        return sanitize.hash_key(key)
    return key[:USER_ID_CHARACTERS] if key else None


def _parameters(event: Event, profile: Profile, route: Route, now: datetime) -> dict[str, Any]:
    details = event.details or {}
    campaign = event.campaign or {}
    value, code = sanitize.money(details, route)
    candidates: dict[str, Any] = {
        "event_id": event.event_id,
        "session_id": _session_id(event, profile, now),
        "engagement_time_msec": 1,
        "value": value,
        "currency": code,
        "transaction_id": _transaction_id(event, route),
        "method": safe_text(details, "form"),
        "product": safe_text(details, "product"),
        "content_category": sanitize.category(details, route),
        "campaign": safe_text(campaign, "campaign"),
        "items": _items(event, route, value) if route.event_name in _MONEY_NEEDED or "items" in details else None,
    }
    if route.parameters:
        candidates |= {name: fixed for name, fixed in route.parameters.items() if name != "content_category"}
    parameters = {name: _cut(found) for name, found in candidates.items() if found is not None and found != ""}
    for name, found in details.items():
        if name in candidates or name in _NOT_PARAMETERS:
            continue
        if len(parameters) >= PARAMETERS:
            break
        if _is_parameter(name, found):
            parameters[name] = _cut(found)
    return parameters


def _is_parameter(name: str, value: Any) -> bool:
    if not is_parameter(name) or name in sanitize.PERSONAL_NAMES:
        return False
    if isinstance(value, bool | int | float):
        return True
    return isinstance(value, str) and safe_text({"": value}, "", PARAMETER_CHARACTERS) is not None


def _cut(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.isprintable():  # as nearly every value is
        return value.strip()[:PARAMETER_CHARACTERS]
    return text({"": value}, "", PARAMETER_CHARACTERS) or ""


def _transaction_id(event: Event, route: Route) -> str | None:
    """Return the id by which GA4 recognises a repeated purchase: the order, else the event's id; None for other events."""
    if route.event_name not in _MONEY_NEEDED:
        return None
    return text(event.details or {}, "order_id", PARAMETER_CHARACTERS) or event.event_id[:PARAMETER_CHARACTERS]


def _session_id(event: Event, profile: Profile, now: datetime) -> str | None:
    """Return the session while it takes events: begun before the event, and less than 24 h ago (`sending-events`)."""
    session = text(profile.visitor, "ga_session_id", 20)
    if not session or not _SESSION_ID.fullmatch(session):
        return None
    began = float(session)
    is_fresh = began - 60 <= event.occurred_at.timestamp() and now.timestamp() < began + SESSION.total_seconds()
    return session if is_fresh else None


def _items(event: Event, route: Route, value: float | None) -> list[dict[str, Any]] | None:
    """Return the items of an order, or one item made from the product if none are given.

    A purchase must have items (`reference/events`): without a product, the item is named after the step.
    """
    details = event.details or {}
    given = details.get("items")
    if isinstance(given, list):
        items = [_item(item) for item in given[:ITEMS] if isinstance(item, dict)]
        if kept := [item for item in items if "item_id" in item or "item_name" in item]:
            return kept
    product = safe_text(details, "product", PARAMETER_CHARACTERS)
    if route.event_name == "purchase":
        product = product or event.name
    if not product:
        return None
    item: dict[str, Any] = {"item_id": product, "item_name": product, "quantity": 1}
    return [item | ({"price": value} if value is not None else {})]


def _item(given: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name in _ITEM_NAMES & given.keys():
        found = (
            number(given, name)
            if name in {"price", "quantity", "discount", "index"}
            else safe_text(given, name, PARAMETER_CHARACTERS)
        )
        if found is not None:
            item[name] = found
    return item
