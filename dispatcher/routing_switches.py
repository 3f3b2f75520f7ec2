"""What an operator switches: a destination, or one step at one destination.

    pause     deliveries wait, while their windows run          resume    they go on
    disable   skipped as `disabled`, no backlog later           enable    delivered from now on

Dispatchers read the switches again every few seconds (`dispatcher.routing`). `outbox migrate` and `outbox dispatch`, which
keep the funnel in step with `outbox.toml`, leave them as they are; only a step that the file no longer names loses them.
"""

from __future__ import annotations

from typing import Literal, get_args

from dispatcher.database.connections import Database

What = Literal["pause", "resume", "enable", "disable"]
WHATS: tuple[What, ...] = get_args(What)

_SWITCHES: dict[What, dict[str, bool | None]] = {
    "pause": {"paused": True, "enabled": None},
    "resume": {"paused": False, "enabled": None},
    "enable": {"paused": None, "enabled": True},
    "disable": {"paused": None, "enabled": False},
}


async def switch(database: Database, destination: str, step: str | None, what: What) -> bool:
    """Switch `destination`, or only `step` there; False: there is no such destination, or it is not told of that step.

    Safe to repeat. A database that is away is not waited for: one of `dispatcher.database.connections.AWAY` is raised.
    """
    asked = _SWITCHES[what] | {"destination": destination}
    if step is None:
        rows = await database.run_once("set_destination_state", asked)
    else:
        rows = await database.run_once("set_route_state", asked | {"step": step})
    return bool(rows)
