"""The comparisons, each in its own process: the bare loop, other job queues, a bare HTTP client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.delivery.builder import build
from dispatcher.destinations import registry
from dispatcher.destinations.base import Destination, Payload
from dispatcher.models import ClaimedDelivery, Route
from dispatcher.reasons import Refusal
from tests.bench import fill
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tests.bench.world import World

ROUTE = Route("Lead", value=0.0, currency="EUR")
_COLUMNS = ("event_id", "handl_id", "lead_id", "account_id")
_CONTENT = ("sealed", "visitor", "campaign", "details", "consent")
PATHS = {"meta": "/v25.0/1530042020969436/events", "ga4": "/mp/collect?measurement_id=G-XLHMXGR17M&api_secret=bench"}


def g2(world: World, events: int) -> float:
    """Run the bare loop of shape G2; return events per second."""
    with world.database() as url:
        return run("tests.bench.g2", url, events)


def pgqueuer(world: World, destination: str, jobs: int) -> float:
    """Run pgqueuer on asyncpg, one request per job; return jobs per second."""
    return _peer(world, "pgqueuer", destination, jobs)


def procrastinate(world: World, destination: str, jobs: int) -> float:
    """Run procrastinate, one request per job; return jobs per second."""
    return _peer(world, "procrastinate", destination, jobs)


def bare_client(world: World, destination: str, requests: int) -> float:
    """Run an aiohttp client that only posts prepared bodies; return requests per second."""
    world.sink.begin()
    return run("tests.bench.bare_client", world.sink.url + PATHS[destination], bodies(world, destination, requests))


def run(module: str, *arguments: object) -> float:
    """Run a module as a separate process; return the number that it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stderr.strip()[-500:]}")
    return float(done.stdout.split()[-1])


def bodies(world: World, destination: str, count: int) -> Path:
    """Return the path of a file with one prepared request body per line, each with one event."""
    path = world.folder / f"{destination}-{count}.bodies"
    if not path.exists():
        path.write_bytes(b"\n".join(_bodies(destination, fill.events(count))))
    return path


def claimed(made: Iterable[dict[str, Any]]) -> str:
    """Return events as the JSON text of a claim (schema/queries/delivery/claim_deliveries.sql)."""
    now = datetime.now(UTC).isoformat()
    rows = []
    for number, event in enumerate(made):
        columns = [number + 1, event["occurred_at"], now, event["name"], *map(event.get, _COLUMNS)]
        rows.append([[*columns, [*map(event.get, _CONTENT)]], 0, 0, None])
    return json.dumps(rows, ensure_ascii=False)


def payloads(destination: Destination, claim: str) -> list[Payload]:
    """Return the payloads for a claim, read and built as in `dispatcher.delivery.queue` and `dispatcher.delivery.sender`.

    Its events are the only ones of their person.
    """
    now = datetime.now(UTC)
    built = [_built(destination, delivery, now) for delivery in _deliveries(claim)]
    refused = [one for one in built if not isinstance(one, Payload)]
    assert not refused, f"{len(refused)} events were refused: {refused[0]}"
    return [one for one in built if isinstance(one, Payload)]


_deliveries = msgspec.json.Decoder(list[ClaimedDelivery]).decode


def _built(destination: Destination, delivery: ClaimedDelivery, now: datetime) -> Payload | Refusal:
    return build(destination, delivery, None, ROUTE, now)


def _bodies(destination: str, made: tuple[dict[str, Any], ...]) -> Iterable[bytes]:
    settings = Settings.from_environment({"META_CAPI_TOKEN": "bench", "GA4_API_SECRET": "bench"})
    if destination == "meta":
        for payload in payloads(registry.create("meta", "meta", settings, Config()), claimed(made)):
            yield b'{"data":[' + payload.body + b"]}"
    else:
        for payload in payloads(registry.create("ga4", "ga4", settings, Config()), claimed(made)):
            yield payload.envelope[:-1] + b',"events":[' + payload.body + b"]}"


def _peer(world: World, name: str, destination: str, jobs: int) -> float:
    path = bodies(world, destination, jobs)
    world.sink.begin()
    with world.database() as url:
        rate = run(f"tests.bench.peers.{name}", url, world.sink.url + PATHS[destination], path)
    taken = world.sink.events(destination)
    assert taken == jobs, f"{name} delivered {taken} of {jobs}"
    return rate
