"""Destinations: one module each, behind one protocol. The daemon knows this file only.

To add one: a module with a class that is a `Destination`, a line in `dispatcher.destinations.registry`, and rows in
the tables `destination` and `mapping`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from dispatcher.identity.profile import Profile
from dispatcher.models import Delivery, Route
from dispatcher.reasons import Refusal


class Outcome(StrEnum):
    """How one request ended."""

    DELIVERED = "delivered"
    REJECTED = "rejected"  # this request will never be taken as it is
    TRANSIENT = "transient"  # surely not taken; worth another try
    THROTTLED = "throttled"  # surely not taken; the whole destination backs off
    HALTED = "halted"  # surely not taken; the whole destination stops until somebody acts
    UNCERTAIN = "uncertain"  # may have been taken


class Response(msgspec.Struct, frozen=True):
    """A destination's answer, in numbers: never its text, which may quote what was sent.

    `wait` is how many seconds the destination asks to be left alone.
    """

    outcome: Outcome
    reason: str | None = None
    status: int | None = None
    code: int | None = None
    subcode: int | None = None
    trace: str | None = None
    wait: float | None = None


class Payload(msgspec.Struct, frozen=True, gc=False):
    """One event as one destination takes it.

    `body`: its JSON. `sent`: the names of its fields, identifiers with a digest. `identifiers`: the names of those alone.
    `account_id`: whom it is sent for.
    An empty `body` sends the envelope alone. `envelope`: what only events of the same envelope may share a request with.
    """

    delivery: Delivery
    body: bytes
    sent: list[str]
    account_id: str | None = None
    envelope: bytes = b""
    identifiers: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True):
    """A destination's limits.

    `window`: how old an event may be when it is sent. `repeat`: how long after an attempt of unknown outcome a repeat
    is still recognised as one (None: never recognised, repeated all the same). `batch`: events a claim.
    `concurrency`: the most requests under way at once in one process. `timeout`: of one request, from when it is sent.
    """

    window: timedelta
    repeat: timedelta | None
    batch: int
    concurrency: int
    timeout: timedelta = timedelta(seconds=30)


class Destination(Protocol):
    """Where conversions go."""

    name: str
    limits: Limits

    def missing(self) -> str | None:
        """Say which setting is missing without which nothing can be sent, or None."""
        ...

    def build(self, delivery: Delivery, known: Profile, route: Route, now: datetime) -> Payload | Refusal:
        """Give the payload of one event with what is known of its person; pure."""
        ...

    def build_merge(self, delivery: Delivery, known: Profile, now: datetime) -> Payload | Refusal:
        """Give what tells the destination of a merge without sending any event, where it takes that; pure."""
        ...

    def requests(self, payloads: Iterable[Payload]) -> Iterable[Sequence[Payload]]:
        """Group payloads into what one request may carry."""
        ...

    async def send(self, payloads: Sequence[Payload]) -> Response:
        """Send one request; never raises for anything that the network or the destination does."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
