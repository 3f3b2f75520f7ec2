"""Routing: the destinations, how each step is sent to each of them, and what an operator paused or disabled.

    pause     deliveries wait; their windows keep running       resume    deliveries continue
    disable   deliveries are skipped, no backlog later          enable    deliveries start again from now on

Dispatchers reread the tables every `FRESH_SECONDS`, so a change takes effect without a restart. `outbox migrate` and
`outbox dispatch`, which bring the funnel in line with `outbox.toml`, keep what is paused or disabled, except for a step that
the file no longer names.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Literal, get_args

import msgspec

from dispatcher.database.connections import Database, Queries
from dispatcher.models import Route

FRESH_SECONDS = 2.0

Action = Literal["pause", "resume", "enable", "disable"]
ACTIONS: tuple[Action, ...] = get_args(Action)

_CHANGES: dict[Action, dict[str, bool | None]] = {
    "pause": {"paused": True, "enabled": None},
    "resume": {"paused": False, "enabled": None},
    "enable": {"paused": None, "enabled": True},
    "disable": {"paused": None, "enabled": False},
}


class DestinationRoutes(msgspec.Struct, frozen=True):
    """The row of one destination, and its routes by step."""

    id: int
    name: str
    kind: str
    enabled: bool
    paused: bool
    routes: dict[str, Route]


class RoutingTable:
    """The routing tables, cached; `latest` holds what was read last."""

    def __init__(self, database: Queries) -> None:
        self._database = database
        self._read_at = -FRESH_SECONDS
        self.latest: dict[str, DestinationRoutes] = {}

    async def destinations(self) -> dict[str, DestinationRoutes]:
        """Return all destinations by name."""
        if monotonic() - self._read_at >= FRESH_SECONDS:
            rows = await self._database.run("read_routing")
            found: dict[str, DestinationRoutes] = {}
            for row in rows:
                destination = found.setdefault(
                    row.name, DestinationRoutes(row.id, row.name, row.kind, row.enabled, row.paused, {})
                )
                if row.step is not None:
                    destination.routes[row.step] = _route(row)
            self.latest = found
            self._read_at = monotonic()
        return self.latest


def _route(row: Any) -> Route:
    return Route(
        event_name=row.event_name,
        parameters=row.parameters,
        enabled=row.route_enabled,
        paused=row.route_paused,
        action_source=row.action_source,
        browser_pair=row.browser_pair,
        value=row.value,
        currency=row.currency,
    )


async def set_state(database: Database, destination: str, step: str | None, action: Action) -> bool:
    """Pause, resume, enable or disable `destination`, or only its route for `step`.

    Return False if there is no such destination, or if it has no route for that step. Safe to repeat. Raise one of
    `DATABASE_UNAVAILABLE` at once if the database does not answer.
    """
    params = _CHANGES[action] | {"destination": destination}
    if step is None:
        rows = await database.run_once("set_destination_state", params)
    else:
        rows = await database.run_once("set_route_state", params | {"step": step})
    return bool(rows)
