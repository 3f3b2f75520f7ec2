"""GA4's Measurement Protocol: what one event looks like there. Rules: destinations.md, part 2; owner's spec, 5.2.

GA4 answers 204 to anything, so its limits are kept here: by cutting or leaving out, never by being refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from dispatcher.config.settings import Settings
from dispatcher.consent import consent_of
from dispatcher.destinations import sanitize
from dispatcher.destinations.base import Limits, Outcome, Payload, Response
from dispatcher.destinations.http_client import Client, Reply
from dispatcher.destinations.sanitize import digest, hash_digest, hashes, number, text, words
from dispatcher.identity.profile import Profile
from dispatcher.models import Delivery, Event, Route
from dispatcher.reasons import NO_CONSENT, NO_MAPPING, Refusal
from outbox.personal_data import holds_email

LIMITS = Limits(
    # Older events are clamped to 72 h, silently (2.2); five minutes in hand.
    window=timedelta(hours=72) - timedelta(minutes=5),
    repeat=None,  # GA4 recognises no repeat but that of a transaction_id
    batch=500,  # events a claim; 25 a request, of one envelope (2.2)
    # A request for nearly every event: those that go out while an answer is 100 ms away must fit in beside each other.
    concurrency=1000,
)

EVENTS_A_REQUEST = 25
PARAMETERS = 25
BODY_BYTES = 120_000  # of 130 kB (2.2)
PARAMETER_CHARACTERS = 100
USER_ID_CHARACTERS = 256
PROPERTY_CHARACTERS = 36
ITEMS = 200
SESSION = timedelta(hours=24)
"""A session takes events for 24 h after it began; a later one would start a new session, of no source (2.3)."""

_NAME = re.compile(r"(?!_|firebase_|ga_|google_|gtag\.)[A-Za-z][A-Za-z0-9_]{0,39}")
"""A parameter's name: 40 characters, no reserved prefix (2.2)."""
_RESERVED = {"firebase_conversion"}
_CLIENT_ID = re.compile(r"\d{1,20}\.\d{1,20}")
_SESSION_ID = re.compile(r"\d{1,20}")

_NOT_PARAMETERS = {"form", "product", "order_id", "contents", "content_ids", "action_source", "browser_pair", "origin"}
_ITEM_NAMES = {
    "item_id", "item_name", "affiliation", "coupon", "discount", "index", "item_brand", "item_category",
    "item_category2", "item_category3", "item_category4", "item_category5", "item_list_id", "item_list_name",
    "item_variant", "location_id", "price", "quantity",
}  # fmt: skip
_MONEY_NEEDED = {"purchase", "refund"}
_HASHES = (("sha256_email_address", "user_email_hash"), ("sha256_phone_number", "user_phone_hash"))
"""Fields of user_data, and the property that holds the beginning of the first value."""

_encode = msgspec.json.Encoder().encode


class GA4:
    """One web stream of a GA4 property."""

    limits = LIMITS

    def __init__(self, settings: Settings, *, name: str = "ga4", variable: str = "GA4_API_SECRET") -> None:
        self.name = name
        self._variable = variable
        self._settings = settings
        self._client = Client(
            f"{settings.ga4_base_url.rstrip('/')}/mp/collect",
            # GA4 takes the secret in the query only (2.1): this address is never logged.
            query={"measurement_id": settings.ga4_measurement_id, "api_secret": settings.ga4_secret.reveal()},
            timeout=LIMITS.timeout,
        )

    def missing(self) -> str | None:
        """Say which setting is missing without which nothing can be sent."""
        return None if self._settings.ga4_secret else self._variable

    def build(self, delivery: Delivery, known: Profile, route: Route, now: datetime) -> Payload | Refusal:
        """Give the payload of one event, or why it would be refused."""
        return build(delivery, known, route, now, consent_default=self._settings.consent_default)

    def build_merge(self, delivery: Delivery, known: Profile, now: datetime) -> Payload | Refusal:  # noqa: ARG002
        """Give the identity alone: GA4 takes user_id and user_data for a client without any event (2.4)."""
        consent = consent_of(known.consent, self._settings.consent_default)
        if consent["ad_user_data"] == "denied":
            return NO_CONSENT
        envelope, sent = _envelope(delivery.event, known, consent)
        if not {"user_id", "user_data"} & envelope.keys():
            return NO_MAPPING
        return Payload(delivery, b"", sent, known.account_id, _encode(envelope))

    def requests(self, payloads: Iterable[Payload]) -> Iterator[Sequence[Payload]]:
        """Put up to 25 events of one envelope into each request, within its size."""
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
        """Give back connections."""
        await self._client.close()


def classify(reply: Reply) -> Response:
    """Say what an answer means: any 2xx is all that GA4 ever says (2.1). Pure."""
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
        return Response(Outcome.UNCERTAIN, "no answer through a gateway", status)
    return Response(Outcome.TRANSIENT, "server error" if status >= 500 else "refused by something before GA4", status)


def build(
    delivery: Delivery, known: Profile, route: Route, now: datetime, *, consent_default: str = "granted"
) -> Payload | Refusal:
    """Give the payload of one event, or why it would be of no use. Pure."""
    event = delivery.event
    consent = consent_of(known.consent, consent_default)
    parameters = _parameters(event, known, route, now)
    if route.event_name in _MONEY_NEEDED and not ("value" in parameters and "currency" in parameters):
        return Refusal("failed", "missing value")
    envelope, sent = _envelope(event, known, consent)
    sent.extend(parameters)
    body = {
        "name": route.event_name,
        "timestamp_micros": _micros(min(event.occurred_at, now)),
        "params": parameters,
    }
    return Payload(
        delivery, _encode(body), sent, known.account_id, _encode(envelope), _identifiers(envelope, parameters)
    )


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


def _envelope(event: Event, known: Profile, consent: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Give what all events of a request share, and its fields with digests."""
    client_id = _client_id(event, known)
    envelope: dict[str, Any] = {"client_id": client_id}
    sent = [digest("client_id", client_id)]
    shares_identity = consent["ad_user_data"] == "granted"
    user_id = _user_id(known) if shares_identity else None
    if user_id:
        envelope["user_id"] = user_id
        sent.append(digest("user_id", user_id))
    properties: dict[str, dict[str, str]] = {}
    if known.country:
        properties["user_country"] = {"value": known.country}
    if event.campaign and (source := words(event.campaign, "source", PROPERTY_CHARACTERS)):
        properties["lead_source"] = {"value": source}
    if shares_identity:
        user_data = {}
        for name, property_name in _HASHES:
            if name in known.google and (found := _bare_hashes(known, name)):
                user_data[name] = found
                sent.extend([hash_digest(name, value) for value in found])
                properties[property_name] = {"value": found[0][:PROPERTY_CHARACTERS]}
        if user_data:
            envelope["user_data"] = user_data
        if known.handl_id:
            properties["handlID"] = {"value": known.handl_id[:PROPERTY_CHARACTERS]}
    if properties:
        envelope["user_properties"] = properties
        sent.extend(properties)
    envelope["consent"] = {kind: value.upper() for kind, value in consent.items()}
    return envelope, sent


def _bare_hashes(known: Profile, name: str) -> list[str]:
    """Give at most three hashes (2.4), without the suffix that only Meta knows."""
    return [value[:64] for value in hashes(known.google, name)[:3]]


def _client_id(event: Event, known: Profile) -> str:
    """Give the browser's client id, else one derived from the person's earliest key, the same at every rebuild."""
    own = text(known.visitor, "ga_client_id", 64)
    if own and _CLIENT_ID.fullmatch(own):
        return own
    key = known.earliest_key or f"event {event.name} {event.event_id}"
    derived = sha256(key.strip().lower().encode("utf-8", "replace")).digest()
    return f"{int.from_bytes(derived[:4]) % 2_147_483_647}.{int.from_bytes(derived[4:8]) % 2_147_483_647}"


def _user_id(known: Profile) -> str | None:
    """Give the account, else the lead; one that looks like an e-mail address is hashed (Google forbids those)."""
    key = known.account_id or known.lead_id
    if key and holds_email(key):
        return sanitize.hash_key(key)
    return key[:USER_ID_CHARACTERS] if key else None


def _parameters(event: Event, known: Profile, route: Route, now: datetime) -> dict[str, Any]:
    details = event.details or {}
    campaign = event.campaign or {}
    value, code = sanitize.money(details, route)
    candidates: dict[str, Any] = {
        "event_id": event.event_id,
        "session_id": _session_id(event, known, now),
        "engagement_time_msec": 1,
        "value": value,
        "currency": code,
        "transaction_id": _transaction_id(event, route),
        "method": words(details, "form"),
        "product": words(details, "product"),
        "content_category": sanitize.category(details, route),
        "campaign": words(campaign, "campaign"),
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
    if not _NAME.fullmatch(name) or name in _RESERVED or name in sanitize.PERSONAL_NAMES:
        return False
    if isinstance(value, bool | int | float):
        return True
    return isinstance(value, str) and words({"": value}, "", PARAMETER_CHARACTERS) is not None


def _cut(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.isprintable():  # as nearly every one is
        return value.strip()[:PARAMETER_CHARACTERS]
    return text({"": value}, "", PARAMETER_CHARACTERS) or ""


def _transaction_id(event: Event, route: Route) -> str | None:
    """Give what GA4 knows a repeated purchase by: the order, else the event's own id; for nothing but money."""
    if route.event_name not in _MONEY_NEEDED:
        return None
    return text(event.details or {}, "order_id", PARAMETER_CHARACTERS) or event.event_id[:PARAMETER_CHARACTERS]


def _session_id(event: Event, known: Profile, now: datetime) -> str | None:
    """Give the session while it takes events: begun before the event, and less than 24 h ago (2.3)."""
    session = text(known.visitor, "ga_session_id", 20)
    if not session or not _SESSION_ID.fullmatch(session):
        return None
    began = float(session)
    is_fresh = began - 60 <= event.occurred_at.timestamp() and now.timestamp() < began + SESSION.total_seconds()
    return session if is_fresh else None


def _items(event: Event, route: Route, value: float | None) -> list[dict[str, Any]] | None:
    """Give the items of an order; one made from the product where none are given.

    A purchase is required to have some (2.5): without a product, what was bought is called by the step's name.
    """
    details = event.details or {}
    given = details.get("items")
    if isinstance(given, list):
        items = [_item(item) for item in given[:ITEMS] if isinstance(item, dict)]
        if kept := [item for item in items if "item_id" in item or "item_name" in item]:
            return kept
    product = words(details, "product", PARAMETER_CHARACTERS)
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
            else words(given, name, PARAMETER_CHARACTERS)
        )
        if found is not None:
            item[name] = found
    return item
