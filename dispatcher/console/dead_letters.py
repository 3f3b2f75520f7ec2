"""Dead letters, by reason in plain words, with what to do; requeuing one, or all of a reason."""

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
from dispatcher.reasons import Explanation, explain

EXAMPLES = 5
REQUEUE_SECONDS = 10.0
"""Less than a page may take in all."""


class Kind(msgspec.Struct, frozen=True):
    """The dead letters of one destination and reason. `examples`: id, step, event_id and time of the newest."""

    destination: str
    reason: str | None
    explanation: Explanation
    groups: list[Group]
    examples: list[tuple[Any, ...]]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(group.count for group in self.groups)

    @property
    def last_at(self) -> datetime:
        """When the newest died."""
        return max(group.last_at for group in self.groups)

    @property
    def first_at(self) -> datetime:
        """When the oldest died."""
        return min(group.first_at for group in self.groups)


async def show(visit: ConsoleRequest) -> web.Response:
    """Give the page."""
    by_kind: dict[tuple[str, str | None], list[Group]] = {}
    for group in await dead_letters.groups(visit.console.database, DeadLetterFilter()):
        by_kind.setdefault((group.destination, group.reason), []).append(group)
    kinds = []
    for (destination, reason), groups in by_kind.items():
        asked = {"destination": destination, "reason": reason, "limit": EXAMPLES}
        kinds.append(
            Kind(destination, reason, explain(reason), groups, await visit.run("list_dead_letter_examples", asked))
        )
    kinds.sort(key=lambda kind: (not kind.explanation.requeue, -kind.count))
    requeued = visit.request.query.get("requeued", "")
    return visit.page(
        "dead.html", kinds=kinds, requeued=int(requeued) if requeued.isdecimal() and len(requeued) < 12 else None
    )


async def requeue(visit: ConsoleRequest) -> web.Response:
    """Owe one dead letter (`event`) or all of a reason once more."""
    destination, event = visit.form.get("destination", ""), visit.form.get("event", "")
    if not destination or (event and not (event.isascii() and event.isdecimal() and len(event) < 19)):
        raise web.HTTPNotFound
    if event:
        done = int(await dead_letters.requeue_one(visit.console.database, int(event), destination))
        visit.acted("requeue one", id=int(event), destination=destination, requeued=done)
        return _to(f"/events/{int(event)}")
    which = DeadLetterFilter(reason=visit.form.get("reason") or None, destination=destination)
    return _to(f"/dead?requeued={await _requeue_all(visit, which)}")


async def _requeue_all(visit: ConsoleRequest, which: DeadLetterFilter) -> int:
    """Requeue for as long as a page may take; give how many. What is left stays on the page, to be requeued by the next."""
    done = 0

    def tell(requeued: int) -> None:
        nonlocal done
        done = requeued

    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REQUEUE_SECONDS):
                await dead_letters.requeue(visit.console.database, which, tell)
    finally:  # each batch takes effect by itself, whatever comes after it
        visit.acted("requeue", reason=which.reason, destination=which.destination, requeued=done)
    return done


def _to(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address})
