"""What a kind of destination adds to `outbox doctor`: rules about the newest events, and how it is tested itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from dispatcher.destinations.base import Reply


class StepCounts(msgspec.Struct, frozen=True):
    """How many of the newest events of one step have which property: a row of the query `read_newest_events`."""

    step: str
    events: int
    keyless: int = 0
    email: int = 0
    seen: int = 0
    fbp: int = 0
    client: int = 0
    session: int = 0
    address: int = 0
    internal: int = 0
    robot: int = 0
    consented: int = 0
    orderless: int = 0
    late: int = 0
    early: int = 0
    phoneless: int = 0
    noted: int = 0
    busiest: int | None = None


class Rule(msgspec.Struct, frozen=True):
    """A problem: `count` events out of `of` have it; it is reported above the share `threshold`."""

    check: str
    count: Callable[[StepCounts], int]
    of: Callable[[StepCounts], int]
    threshold: float
    says: str
    do: str


class Ask(Protocol):
    """Makes one request of `outbox doctor --live` and returns the reply; raise for what the network does."""

    def __call__(
        self,
        method: str,
        address: str,
        content: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Awaitable[Reply]:
        """Make the request."""
        ...
