"""A destination in the database that the configuration does not name, so that its account is unknown.

If there is an `outbox.toml`, the destination was removed from it: pending deliveries end as `skipped: no route`. If there
is none, the file itself is missing: the destination is halted and its deliveries wait.
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

    def __init__(self, name: str, limits: Limits, *, is_retired: bool) -> None:
        self.name = name
        self.limits = limits
        self._is_retired = is_retired

    def missing(self) -> str | None:
        """Return the missing section of the configuration, or None if the destination was removed from the file."""
        return None if self._is_retired else f"[destinations.{self.name}] in outbox.toml"

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
