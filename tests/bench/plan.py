"""The size of a run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Plan:
    """Numbers of events and jobs, and seconds. A rate is measured over `events`, or over `longest` seconds."""

    rounds: int = 5
    events: int = 100_000
    peer_jobs: int = 20_000
    slow_peer_jobs: int = 2_000
    ga4_events: int = 100_000
    settled: int = 5_000_000
    pending: int = 1_000_000
    person: int = 100_000
    """Events of the largest person (a shared test lead)."""
    built: int = 20_000
    records: int = 40
    """Calls of `record` with 1000 conversions each."""
    writing: float = 4.0
    """Seconds for which transactions are counted."""
    latency: float = 15.0
    """Seconds of recording at 50 events per second."""
    idle: float = 15.0
    longest: float = 15.0

    def scaled(self, factor: float) -> Plan:
        """Return the plan with the numbers of events and jobs multiplied."""
        changed: dict[str, Any] = {
            one.name: max(1, round(getattr(self, one.name) * factor)) for one in fields(self) if one.name in _COUNTS
        }
        return replace(self, **changed)


_COUNTS = ("events", "peer_jobs", "slow_peer_jobs", "ga4_events", "settled", "pending", "person", "built", "records")

FULL = Plan()
QUICK = Plan(
    rounds=3,
    events=10_000,
    peer_jobs=3_000,
    slow_peer_jobs=150,
    ga4_events=5_000,
    settled=100_000,
    pending=50_000,
    person=5_000,
    built=3_000,
    records=5,
    writing=0.5,
    latency=2.0,
    idle=3.0,
    longest=3.0,
)
