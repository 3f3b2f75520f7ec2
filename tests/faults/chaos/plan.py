"""The plan of a run, drawn from its seed: which disruption happens when, and how the destinations fail. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import cycle
from typing import Any, NamedTuple
from zlib import crc32

META_TOKEN = "chaos-meta-token"
GA4_SECRET = "chaos-ga4-secret"
LEASE_SECONDS = 5
REJECTED_OF = 97
"""Meta refuses an event if the checksum of its id is divisible by this."""

EVERY = {"kill": 4.0, "terminate": 10.0, "cut": 6.0, "restart": 18.0, "crash": 24.0, "fault_set": 2.9, "worker": 5.0}
"""Seconds between two disruptions of a kind.

kill: SIGKILL to a dispatcher with its workers. worker: SIGKILL to a worker only. terminate: SIGTERM to one. cut:
pg_terminate_backend for all of the dispatchers' connections. restart: PostgreSQL is stopped fast and started. crash: it is
stopped immediately, and recovers. fault_set: other faults at the destinations.
"""

# The rates of faults per request. A request to Meta has up to a thousand events, one to GA4 hardly more than one.
META = {
    "reset_before": 0.03,
    "http_500": 0.04,
    "http_503": 0.03,
    "html_502": 0.03,
    "reset_after_accept": 0.06,
    "hang_after_accept": 0.03,
    "garbage": 0.04,
    "wrong_received_count": 0.04,
    "slow": 0.05,
}
GA4 = {
    "reset_before": 0.01,
    "http_500": 0.02,
    "http_503": 0.01,
    "html_502": 0.01,
    "reset_after_accept": 0.02,
    "hang_after_accept": 0.004,
    "garbage": 0.01,
    "throttled": 0.002,
    "slow": 0.01,
}
FAULT_SETS: tuple[dict[str, dict[str, Any]], ...] = (
    {"meta": {"rates": META}, "ga4": {"rates": GA4}},
    {
        "meta": {"rates": {"reset_after_accept": 0.3, "hang_after_accept": 0.2, "garbage": 0.2}},
        "ga4": {"rates": GA4},
    },
    {
        "meta": {"rates": META},
        "ga4": {"rates": {"reset_after_accept": 0.1, "hang_after_accept": 0.05, "html_502": 0.1}},
    },
    {"meta": {"rates": {"http_503": 1.0}}, "ga4": {}},
    {"meta": {}, "ga4": {"rates": {"reset_before": 0.5, "http_500": 0.5}}},
    {"meta": {"rates": META, "script": ["token_invalid"]}, "ga4": {"rates": GA4}},
    {"meta": {"rates": META, "script": ["ok", "throttled"]}, "ga4": {"rates": GA4, "script": ["throttled"]}},
)
ALWAYS = {
    "meta": {"slow_ms": 400, "hang_seconds": 1.5, "reject_modulo": REJECTED_OF},
    "ga4": {"slow_ms": 400, "hang_seconds": 1.5},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The length and intensity of a run. The same plan draws the same disruptions; their effects depend on the machine."""

    events: int = 1500
    dispatchers: int = 3
    seed: int = 1
    seconds: float = 20
    fsync: bool = False


class Disruption(NamedTuple):
    """One disruption, `at` seconds after the beginning."""

    at: float
    kind: str
    fault_set: dict[str, dict[str, Any]] | None = None


def disruptions(plan: Plan) -> list[Disruption]:
    """Draw all disruptions in order; of each kind at least one."""
    rng = random.Random(plan.seed)
    drawn: list[Disruption] = []
    for kind, every in EVERY.items():
        count = max(1, round(plan.seconds / every))
        drawn += [Disruption(plan.seconds / count * (number + rng.random()), kind) for number in range(count)]
    fault_sets = cycle(rng.sample(FAULT_SETS, len(FAULT_SETS)))
    return [
        disruption._replace(fault_set=faults(next(fault_sets), rng.randrange(2**31)))
        if disruption.kind == "fault_set"
        else disruption
        for disruption in sorted(drawn)
    ]


def faults(fault_set: dict[str, dict[str, Any]], seed: int) -> dict[str, dict[str, Any]]:
    """Return a fault set in the form that the sandbox takes; an empty one has no random faults."""
    return {name: {"seed": seed, **always, **fault_set.get(name, {})} for name, always in ALWAYS.items()}


def is_rejected(event_id: str) -> bool:
    """Return whether Meta always refuses this event."""
    return crc32(event_id.encode()) % REJECTED_OF == 0
