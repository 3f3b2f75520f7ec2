"""What ours is compared with, each in a process of its own: the bare loop, the peers, a bare HTTP client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatcher.destinations import Payload
from dispatcher.destinations.ga4 import GA4
from dispatcher.destinations.meta import Meta
from dispatcher.identity import known_from
from dispatcher.records import Delivery, Event, Mapping
from schema.settings import Settings
from tests.bench import fill

if TYPE_CHECKING:
    from tests.bench.world import World

ROOT = Path(__file__).parents[2]
MAPPING = Mapping("Lead", value=0.0, currency="EUR")
PATHS = {"meta": "/v25.0/1530042020969436/events", "ga4": "/mp/collect?measurement_id=G-XLHMXGR17M&api_secret=bench"}


def g2(world: World, events: int) -> float:
    """The bare loop of shape G2; events a second."""
    with world.database() as url:
        return run("tests.bench.g2", url, events)


def pgqueuer(world: World, destination: str, jobs: int) -> float:
    """pgqueuer on asyncpg, one request a job; jobs a second."""
    return _peer(world, "pgqueuer", destination, jobs)


def procrastinate(world: World, destination: str, jobs: int) -> float:
    """procrastinate, one request a job; jobs a second."""
    return _peer(world, "procrastinate", destination, jobs)


def bare_client(world: World, destination: str, requests: int) -> float:
    """An aiohttp client that posts ready bodies, and nothing else; requests a second."""
    world.sink.begin()
    return run("tests.bench.bare_client", world.sink.url + PATHS[destination], bodies(world, destination, requests))


def run(module: str, *arguments: object) -> float:
    """Run a module as a process of its own; give the number that it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stderr.strip()[-500:]}")
    return float(done.stdout.split()[-1])


def bodies(world: World, destination: str, count: int) -> Path:
    """A file with the ready body of one request a line, each of one event."""
    path = world.folder / f"{destination}-{count}.bodies"
    if not path.exists():
        path.write_bytes(b"\n".join(_bodies(destination, fill.events(count))))
    return path


def deliveries(made: Iterable[dict[str, Any]]) -> list[Delivery]:
    """Events, as they come from the queue."""
    now = datetime.now(UTC)
    found = []
    for number, event in enumerate(made):
        known = {name: value for name, value in event.items() if name in Event.__struct_fields__}
        known["occurred_at"] = datetime.fromisoformat(str(event["occurred_at"]))
        found.append(Delivery(Event(id=number + 1, recorded_at=now, **known)))
    return found


def payloads(destination: Meta | GA4, made: Iterable[Delivery]) -> list[Payload]:
    """What a destination is sent of events that are the only ones of their person."""
    now = datetime.now(UTC)
    built = [destination.build(one, known_from(one.event), MAPPING, now) for one in made]
    refused = [one for one in built if not isinstance(one, Payload)]
    assert not refused, f"{len(refused)} events were refused: {refused[0]}"
    return [one for one in built if isinstance(one, Payload)]


def _bodies(destination: str, made: tuple[dict[str, Any], ...]) -> Iterable[bytes]:
    settings = Settings.from_environment({"META_CAPI_TOKEN": "bench", "GA4_API_SECRET": "bench"})
    if destination == "meta":
        for payload in payloads(Meta(settings), deliveries(made)):
            yield b'{"data":[' + payload.body + b"]}"
    else:
        for payload in payloads(GA4(settings), deliveries(made)):
            yield payload.envelope[:-1] + b',"events":[' + payload.body + b"]}"


def _peer(world: World, name: str, destination: str, jobs: int) -> float:
    path = bodies(world, destination, jobs)
    world.sink.begin()
    with world.database() as url:
        rate = run(f"tests.bench.peers.{name}", url, world.sink.url + PATHS[destination], path)
    taken = world.sink.events(destination)
    assert taken == jobs, f"{name} delivered {taken} of {jobs}"
    return rate
