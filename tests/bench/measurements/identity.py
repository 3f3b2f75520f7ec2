"""The cost of identity by the number of a person's events: resolving, and folding a new event at intake."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

import psycopg

from dispatcher.database.connections import Database
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Event
from dispatcher.worker import COLLECTED_EVERY
from tests.bench import fill, processes
from tests.bench.measure import Goal, Measurement, Side
from tests.bench.world import World

BATCH = 1000
BATCHES = 8
SIZES = (1, 10, 1000)
COLUMNS = [field for field in Event.__struct_fields__ if field != "content"]
EVENTS = f"SELECT {', '.join(COLUMNS)} FROM outbox.event WHERE event_id LIKE %s ORDER BY id"


@contextmanager
def _resolving(world: World) -> Iterator[Mapping[str, Side]]:
    populations = {f"{size:,} events": size for size in SIZES} | {f"{world.plan.person:,} events": world.plan.person}

    def side(url: str, name: str) -> Side:
        return lambda: asyncio.run(_resolve(url, _events(url, name)))

    with world.database(world.migrated) as url:
        for name, size in populations.items():
            fill.record(url, _population(name, size))
        # One lead with a different browser each time, like a shared test lead.
        browsers = f"{world.plan.person:,} browsers"
        fill.record(url, _population(browsers, world.plan.person, browsers=True))
        processes.run_intake(world, url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (FREEZE, ANALYZE)")
        before = gc.get_threshold()
        gc.set_threshold(*COLLECTED_EVERY)  # as in a dispatcher
        try:
            yield {name: side(url, name) for name in (*populations, browsers)}
        finally:
            gc.set_threshold(*before)


def _population(name: str, size: int, *, browsers: bool = False) -> tuple[dict[str, object], ...]:
    """Return events of persons with `size` events each, which share a lead, on one browser or on many."""
    prefix = _prefix(name)
    made = []
    sealed: dict[str, object] = {}
    for number, event in enumerate(fill.events(max(size, BATCH * BATCHES))):
        person = f"{prefix}{number // size}"
        handl_id = f"{prefix}b{number}" if browsers else f"{prefix}h{number // size}"
        if number % size == 0:
            sealed = _addressed(event["sealed"], person)
        keys = {"event_id": f"{prefix}{number}", "lead_id": person, "handl_id": handl_id, "account_id": None}
        made.append(event | keys | {"sealed": sealed})
    return tuple(made)


def _addressed(sealed: Mapping[str, Mapping[str, object]], person: str) -> dict[str, object]:
    """Return traits with the e-mail address and phone of one person of one population: nobody else has them."""
    email, phone = (sha256(f"{kind} of {person}".encode()).hexdigest() for kind in ("e-mail", "phone"))
    meta = {**sealed["meta"], "em": [email], "ph": [phone]}
    google = {**sealed["google"], "sha256_email_address": [email], "sha256_phone_number": [phone]}
    return {**sealed, "meta": meta, "google": google}


def _prefix(name: str) -> str:
    return name.replace(" ", "").replace(",", "") + "-"


def _events(url: str, name: str) -> list[Event]:
    """Return a sample of a population."""
    with psycopg.connect(url) as connection:
        found = connection.execute(EVENTS, (_prefix(name) + "%",)).fetchall()
    return [Event(*row) for row in random.Random(7).sample(found, min(BATCH * BATCHES, len(found)))]


async def _resolve(url: str, events: list[Event]) -> float:
    async with Database.connect(url) as database:
        resolver = PersonResolver(database)
        await resolver.resolve(events[:10])
        began = time.process_time()
        for start in range(0, len(events), BATCH):
            await resolver.resolve(events[start : start + BATCH])
        return len(events) / (time.process_time() - began)


@contextmanager
def _folding(world: World) -> Iterator[Mapping[str, Side]]:
    def side(size: int) -> Side:
        name = f"folded {size}"
        template = world.template(
            f"folded_{size}", world.migrated, lambda url: fill.record(url, _population(name, size))
        )

        def run() -> float:
            with world.database(template) as url:
                return processes.run_intake(world, url)

        return run

    yield {f"{size:,} events": side(size) for size in (1, world.plan.person)}


def _within_twice(values: Mapping[str, float]) -> float:
    """Return the highest cost of an event relative to one whose person has no other event."""
    return values["1 events"] / min(values.values())


def _micros(values: Mapping[str, float]) -> float:
    """Return the processor time of the dearest event, in microseconds."""
    return 1e6 / min(values.values())


def _beside_ten(values: Mapping[str, float]) -> float:
    """Return the highest cost of an event relative to one whose person has ten."""
    return values["10 events"] / min(values.values())


RESOLVE = Measurement(
    "resolve",
    "resolving events of persons with 1, 10, 1,000 and 100,000 events, and of a lead that 100,000 browsers share",
    "events/s",
    _resolving,
    (
        Goal("microseconds of processor time for an event", _micros, most=60),
        Goal("an event is no dearer than with ten, but for noise", _beside_ten, most=1.2),
    ),
    "processor time of the resolver; one query finds the events without related ones; for all others every source is read",
)
FOLD = Measurement(
    "fold",
    "intake of events of persons with 1 event, and of one person with 100,000",
    "events/s",
    _folding,
    (Goal("the cost of an event stays within 2 x", _within_twice, most=2),),
    "the row with all events of one person is written once per batch",
)
