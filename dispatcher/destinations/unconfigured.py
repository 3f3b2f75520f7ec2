"""A destination in the database that cannot be used here.

If it was removed from `outbox.toml`, pending deliveries end as `skipped: no route`. If something is missing (the file itself,
or the package of its kind), it is halted and its deliveries wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from dispatcher.destinations.base import Limits, Outcome, Payload, Response
from dispatcher.identity.profile import Profile
from dispatcher.models import Delivery, Route
from dispatcher.reasons import NO_ROUTE, Refusal


class Unconfigured:
    """Sends nothing."""

    def __init__(self, name: str, limits: Limits, *, missing: str | None) -> None:
        self.name = name
        self.dataset = ""
        self.limits = limits
        self._missing = missing

    def missing(self) -> str | None:
        """Return what is missing, or None if the destination was removed from the file."""
        return self._missing

    def build(self, delivery: Delivery, profile: Profile, route: Route, now: datetime) -> Refusal:  # noqa: ARG002
        """Refuse to build anything."""
        return NO_ROUTE

    def build_merge(self, delivery: Delivery, profile: Profile, now: datetime) -> Refusal:  # noqa: ARG002
        """Refuse to build anything."""
        return NO_ROUTE

    def requests(self, payloads: Iterable[Payload]) -> Iterator[Sequence[Payload]]:  # noqa: ARG002
        """Return no requests."""
        return iter(())

    async def send(self, payloads: Sequence[Payload]) -> Response:  # noqa: ARG002
        """Send nothing."""
        return Response(Outcome.TRANSIENT, "not configured")

    async def close(self) -> None:
        """Do nothing: there are no connections."""
