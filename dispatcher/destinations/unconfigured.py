"""A destination that the database knows and the configuration does not name: nobody knows whose account it is.

If there is an `outbox.toml`, the destination was taken out of it: what is still owed ends as `skipped: no mapping`. If
there is none, it is the file that is missing: the destination is halted, and its deliveries wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from dispatcher.destinations.base import Limits, Outcome, Payload, Response
from dispatcher.identity.profile import Profile
from dispatcher.models import Delivery, Route
from dispatcher.reasons import NO_MAPPING, Refusal


class Unconfigured:
    """Sends nothing."""

    def __init__(self, name: str, limits: Limits, *, is_retired: bool) -> None:
        self.name = name
        self.limits = limits
        self._is_retired = is_retired

    def missing(self) -> str | None:
        """Say that the file is missing which would name this destination."""
        return None if self._is_retired else f"[destinations.{self.name}] in outbox.toml"

    def build(self, delivery: Delivery, known: Profile, route: Route, now: datetime) -> Refusal:  # noqa: ARG002
        """Give nothing to send."""
        return NO_MAPPING

    def build_merge(self, delivery: Delivery, known: Profile, now: datetime) -> Refusal:  # noqa: ARG002
        """Give nothing to send."""
        return NO_MAPPING

    def requests(self, payloads: Iterable[Payload]) -> Iterator[Sequence[Payload]]:  # noqa: ARG002
        """Give no requests."""
        return iter(())

    async def send(self, payloads: Sequence[Payload]) -> Response:  # noqa: ARG002
        """Send nothing."""
        return Response(Outcome.TRANSIENT, "not configured")

    async def close(self) -> None:
        """Have nothing to give back."""
