"""Building and sealing in one process, compared with Meta's own SDK on the same values."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import requests
from facebook_business.adobjects.serverside.action_source import ActionSource
from facebook_business.adobjects.serverside.custom_data import CustomData
from facebook_business.adobjects.serverside.event import Event
from facebook_business.adobjects.serverside.event_request import EventRequest
from facebook_business.adobjects.serverside.normalize import Normalize
from facebook_business.adobjects.serverside.user_data import UserData
from facebook_business.api import _top_level_param_json_encode

import outbox
from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from outbox.sealing import seal
from tests.bench import fill, yardsticks
from tests.bench.measure import Measurement, Side, at_least
from tests.bench.world import World

BATCH = 1000
ADDRESS = "https://graph.facebook.com/v25.0/1530042020969436/events"
FIELDS = {
    "em": "email",
    "ph": "phone",
    "fn": "first_name",
    "ln": "last_name",
    "ct": "city",
    "zp": "postal_code",
    "country": "country",
}


def conversions(count: int) -> list[outbox.Conversion]:
    """Return conversions with all fields, each of a different person."""
    return [fill.conversion(number * 3 + 1) for number in range(count)]


def body_of_sdk(some: Sequence[outbox.Conversion]) -> bytes:
    """Return the SDK's bytes on the wire for some conversions."""
    events = []
    for one in some:
        person, visitor = one.person, one.visitor
        assert person
        assert visitor
        assert one.occurred_at
        events.append(
            Event(
                event_name="Lead",
                event_time=int(one.occurred_at.timestamp()),
                event_id=one.event_id,
                action_source=ActionSource.WEBSITE,
                event_source_url=visitor.url,
                referrer_url=visitor.referrer,
                user_data=UserData(
                    email=person.email,
                    phone=person.phone,
                    first_name=person.first_name,
                    last_name=person.last_name,
                    city=person.city,
                    zip_code=person.postal_code,
                    country_code=person.country,
                    client_ip_address=visitor.ip,
                    client_user_agent=visitor.user_agent,
                    fbp=visitor.fbp,
                    fbc=visitor.fbc,
                    external_ids=[str(key) for key in (one.account_id, one.handl_id, one.lead_id) if key],
                ),
                custom_data=CustomData(
                    value=49.5,
                    currency="eur",
                    content_name=one.details["form"],
                    content_category=one.details["product"],
                    custom_properties={"lead_source": "newsletter", "lead_medium": "email", "lead_campaign": "spring"},
                ),
            )
        )
    parameters = _top_level_param_json_encode(EventRequest(pixel_id="1", events=events, access_token="t").get_params())
    body = requests.Request("POST", ADDRESS, data=parameters).prepare().body
    assert isinstance(body, str)  # form fields
    return body.encode()


@contextmanager
def _build(world: World) -> Iterator[Mapping[str, Side]]:
    count = world.plan.built
    made = conversions(count)
    meta = registry.create("meta", "meta", Settings.from_environment({"META_CAPI_TOKEN": "bench"}), Config())
    rows = list(fill.sealed(made))
    claims = [yardsticks.claimed(rows[start : start + BATCH]) for start in range(0, count, BATCH)]
    few = made[: count // 5]  # the SDK is much slower

    def ours() -> int:
        for claim in claims:
            payloads = yardsticks.payloads(meta, claim)
            body = b'{"data":[' + b",".join(payload.body for payload in payloads) + b"]}"
            assert len(body) > len(payloads)
        return count

    def sdk() -> int:
        for start in range(0, len(few), BATCH):
            assert body_of_sdk(few[start : start + BATCH])
        return len(few)

    yield {"build": _timed(ours), "sdk": _timed(sdk)}


@contextmanager
def _seal(world: World) -> Iterator[Mapping[str, Side]]:
    persons = [one.person for one in conversions(world.plan.built) if one.person]
    values = [[(key, getattr(person, field)) for key, field in FIELDS.items()] for person in persons]

    def ours() -> int:
        for person in persons:
            seal(person)
        return len(persons)

    def sdk() -> int:
        for person in values:
            for key, value in person:
                Normalize.normalize_field(key, value)
        return len(values)

    yield {"seal": _timed(ours), "sdk": _timed(sdk)}


def _timed(work: Callable[[], int]) -> Side:
    """Return a side that measures the units of `work` done per second in this process."""

    def run() -> float:
        gc.collect()
        began = time.perf_counter()
        return work() / (time.perf_counter() - began)

    return run


BUILD = Measurement(
    "build",
    "building for Meta from the JSON of a claim to bytes, one process; the SDK from values to the wire",
    "events/s",
    _build,
    (at_least(10, "build", "sdk"),),
    "reading the claim's JSON, checking each value against Meta's rules, and a dozen SHA-256 for identifiers and receipts",
)
SEAL = Measurement(
    "seal",
    "sealing a person; the SDK's normalising and hashing of the same values",
    "persons/s",
    _seal,
    (at_least(2, "seal", "sdk"),),
    "seven SHA-256 alone take a third of it; phone, address and postal code are checked, not only hashed",
)
