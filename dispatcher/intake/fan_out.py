"""Which deliveries a batch of events leads to, and which are skipped at once. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from dispatcher.destinations.base import Limits
from dispatcher.intake.folding import IntakeEvent
from dispatcher.reasons import DISABLED, NO_ROUTE, TOO_OLD
from dispatcher.routing import DestinationRoutes

AHEAD = timedelta(seconds=60)
"""An event further in the future than this waits for its time; one within it has a clock that is a little fast."""


def fan_out(
    events: Sequence[IntakeEvent],
    destinations: Iterable[DestinationRoutes],
    limits: Callable[[str], Limits],
    now: datetime,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the deliveries to enqueue, and the receipts of what is skipped, both grouped. Pure.

    `limits`: of a kind of destination.
    """
    pending: defaultdict[tuple[int, datetime], list[int]] = defaultdict(list)
    skipped: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for destination in destinations:
        for event in events:
            if reason := _skip(event, destination, limits(destination.kind)):
                skipped[destination.id, reason].append(event.id)
            else:
                due_at = event.occurred_at if event.occurred_at > now + AHEAD else now
                pending[destination.id, due_at].append(event.id)
    return (
        [
            {"destination": destination, "due_at": due_at, "event_ids": ids}
            for (destination, due_at), ids in pending.items()
        ],
        [
            {"destination": destination, "reason": reason, "event_ids": ids}
            for (destination, reason), ids in skipped.items()
        ],
    )


def _skip(event: IntakeEvent, destination: DestinationRoutes, limits: Limits) -> str | None:
    route = destination.routes.get(event.name)
    if route is None:
        return NO_ROUTE.reason
    if not (destination.enabled and route.enabled):
        return DISABLED.reason
    if event.recorded_at >= event.occurred_at + limits.window:
        return TOO_OLD.reason
    return None
