"""What a dispatcher process reports of itself: at its own port, or to the supervisor that serves the port for it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.telemetry.aggregation import Sample


class SenderReport(msgspec.Struct, frozen=True):
    """The state of one destination in one process.

    `is_missing`: whether a setting is missing without which nothing can be sent. `claimed_ago`: seconds since it last asked
    for work.
    """

    destination: int
    name: str
    state: str
    reason: str | None
    is_missing: bool
    claimed_ago: float | None


class WorkerReport(msgspec.Struct, frozen=True):
    """The report of one process.

    `hung`: loops that hang. `samples`: its metrics, in every few reports. `left`: how much a drain left for a retry.
    """

    hung: list[str]
    senders: list[SenderReport]
    samples: list[Sample] | None = None
    left: int | None = None


class Dispatching(Protocol):
    """What serves a port: a daemon for itself, or a supervisor for its workers."""

    database: Database
    database_url: str
    settings: Settings
    config: Config

    @property
    def fresh_seconds(self) -> float:
        """How long after its last heartbeat a dispatcher counts as running."""
        ...

    def reports(self) -> list[WorkerReport]:
        """Return the last report of each process that delivers."""
        ...

    def samples(self) -> list[list[Sample]]:
        """Return the metrics of other processes that count here."""
        ...
