"""The page of dead letters, grouped by reason, each with an explanation and what to do. Requeues one, or all of a reason."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from dispatcher.console.request import ConsoleRequest
from dispatcher.delivery import dead_letters
from dispatcher.delivery.dead_letters import DeadLetterFilter, Group
from dispatcher.destinations.registry import explain
from dispatcher.reasons import Explanation

EXAMPLES = 5
REQUEUE_SECONDS = 10.0
"""How long one action may requeue: less than a page may take altogether."""


class ReasonGroup(msgspec.Struct, frozen=True):
    """The dead letters of one destination and reason. `examples`: the newest events."""

    destination: str
    reason: str | None
    explanation: Explanation
    groups: list[Group]
    examples: list[Any]

    @property
    def count(self) -> int:
        """The number of dead letters."""
        return sum(group.count for group in self.groups)

    @property
    def last_at(self) -> datetime:
        """When the newest delivery failed."""
        return max(group.last_at for group in self.groups)

    @property
    def first_at(self) -> datetime:
        """When the oldest delivery failed."""
        return min(group.first_at for group in self.groups)


async def show(request: ConsoleRequest) -> web.Response:
    """Return the page."""
    by_kind: dict[tuple[str, str | None], list[Group]] = {}
    for group in await dead_letters.groups(request.console.database, DeadLetterFilter()):
        by_kind.setdefault((group.destination, group.reason), []).append(group)
    kinds = []
    for (destination, reason), groups in by_kind.items():
        params = {"destination": destination, "reason": reason, "limit": EXAMPLES}
        examples = await request.run("list_dead_letter_examples", params)
        kinds.append(ReasonGroup(destination, reason, explain(reason), groups, examples))
    kinds.sort(key=lambda kind: (not kind.explanation.requeue, -kind.count))
    requeued = request.http.query.get("requeued", "")
    return request.page(
        "dead_letters.html",
        kinds=kinds,
        requeued=int(requeued) if requeued.isdecimal() and len(requeued) < 12 else None,
    )


async def requeue(request: ConsoleRequest) -> web.Response:
    """Requeue one dead letter (`event`), or all dead letters of a reason."""
    destination, event = request.form.get("destination", ""), request.form.get("event", "")
    if not destination or (event and not (event.isascii() and event.isdecimal() and len(event) < 19)):
        raise web.HTTPNotFound
    if event:
        requeued = int(await dead_letters.requeue_one(request.console.database, int(event), destination))
        request.log_action("requeue one", id=int(event), destination=destination, requeued=requeued)
        return _redirect(f"/events/{int(event)}")
    which = DeadLetterFilter(reason=request.form.get("reason") or None, destination=destination)
    return _redirect(f"/dead?requeued={await _requeue_all(request, which)}")


async def _requeue_all(request: ConsoleRequest, which: DeadLetterFilter) -> int:
    """Requeue until `REQUEUE_SECONDS` are over, and return how many. The rest stays on the page for the next action."""
    done = 0

    def progress(requeued: int) -> None:
        nonlocal done
        done = requeued

    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REQUEUE_SECONDS):
                await dead_letters.requeue(request.console.database, which, progress)
    finally:  # each batch is committed separately, whatever happens after it
        request.log_action("requeue", reason=which.reason, destination=which.destination, requeued=done)
    return done


def _redirect(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address})
