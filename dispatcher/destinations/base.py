"""The protocol of a destination: what builds and sends. The daemon knows this file only.

A kind creates it (`dispatcher.destinations.kind`). `outbox migrate` fills the tables `destination` and `route` from
`outbox.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from dispatcher.identity.profile import Profile
from dispatcher.models import ClaimedDelivery, Delivery, Route, SentAs
from dispatcher.reasons import Refusal


class Outcome(StrEnum):
    """How one request ended."""

    DELIVERED = "delivered"
    REJECTED = "rejected"  # this request will never be accepted as it is
    TRANSIENT = "transient"  # certainly not accepted; worth a retry
    THROTTLED = "throttled"  # certainly not accepted; the whole destination backs off
    HALTED = "halted"  # certainly not accepted; the whole destination stops until an operator acts
    UNCERTAIN = "uncertain"  # may have been accepted


class Response(msgspec.Struct, frozen=True):
    """A destination's response in numbers, never its text, which may quote what was sent.

    `wait`: how many seconds the destination asks to wait before the next request.
    """

    outcome: Outcome
    reason: str | None = None
    status: int | None = None
    code: int | None = None
    subcode: int | None = None
    trace: str | None = None
    wait: float | None = None


class Reply(msgspec.Struct, frozen=True):
    """A complete reply: its status, headers, and body (its beginning, if it is long)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Payload(msgspec.Struct, frozen=True, gc=False):
    """One event in the form that one destination accepts.

    `body`: its JSON; if empty, the envelope is sent alone. `sent`: the names of its fields, identifiers with a digest.
    `identifiers`: the names of the identifiers alone. `account_id`: the account that it is sent under. `envelope`: the part
    that events must have in common to share a request. `fixed`: what a repeat must have in common beside the event's name
    and time, the account and the dataset; `sent_as`: all of that.
    """

    delivery: Delivery | ClaimedDelivery
    body: bytes
    sent: list[str]
    account_id: str | None = None
    envelope: bytes = b""
    identifiers: tuple[str, ...] = ()
    fixed: dict[str, str] = {}
    sent_as: SentAs | None = None


class Limits(msgspec.Struct, frozen=True):
    """A destination's limits.

    `window`: how old an event may be when it is sent. `repeat`: how long after an attempt with an unknown outcome the
    destination still recognises a repeat (None: it never does; repeats are sent all the same). `batch`: events per claim.
    `concurrency`: the maximum of requests in flight in one process. `timeout`: of one request, from when it is sent.
    """

    window: timedelta
    repeat: timedelta | None
    batch: int
    concurrency: int
    timeout: timedelta = timedelta(seconds=30)


class Destination(Protocol):
    """One place where conversions go. `dataset`: its id at the destination, such as a pixel's."""

    name: str
    dataset: str
    limits: Limits

    def missing(self) -> str | None:
        """Return the name of a required setting that is missing, or None."""
        ...

    def build(self, delivery: Delivery, profile: Profile, route: Route, now: datetime) -> Payload | Refusal:
        """Return the payload of one event, built with its person's profile; pure."""
        ...

    def build_merge(self, delivery: Delivery, profile: Profile, now: datetime) -> Payload | Refusal:
        """Return the payload that reports a merge without an event, where the destination accepts that; pure."""
        ...

    def requests(self, payloads: Iterable[Payload]) -> Iterable[Sequence[Payload]]:
        """Group payloads into requests."""
        ...

    async def send(self, payloads: Sequence[Payload]) -> Response:
        """Send one request; never raise for anything that the network or the destination does."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
