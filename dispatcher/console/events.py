"""The page of events: the newest, and search results.

A search term is posted, so it is never part of an address. An e-mail address is hashed in memory and not kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from dispatcher.console.request import ConsoleRequest
from dispatcher.database.connections import Queries, Transaction
from dispatcher.destinations.registry import explain
from dispatcher.people.lookup import Scan, scan_for_email

LIMIT = 50
MAX_FILTERED = 100_000
"""How many of the newest events are searched for those of one step."""
MAX_SCANNED = 1_000_000
"""How many of the newest events are searched for an e-mail address: about two seconds."""
KEY_LIMIT = 200
MAX_TERM = 500
"""Characters of a search term."""
LAST_ID = 2**63 - 1


class EventState(msgspec.Struct, frozen=True):
    """The state of an event at one destination. `outcome`: delivered, skipped, failed or pending."""

    destination: str
    outcome: str
    reason: str | None
    says: str
    revision: int


class ListItem(msgspec.Struct, frozen=True):
    """One event in a list."""

    id: int
    occurred_at: datetime
    recorded_at: datetime
    name: str
    event_id: str
    states: list[EventState]


async def show(request: ConsoleRequest) -> web.Response:
    """Return the newest events, or those before `?before=`, of the step `?step=`."""
    steps = await _steps(request)
    step = request.http.query.get("step", "")
    step = step if step in steps else ""
    before = request.http.query.get("before", "")
    params = {
        "before": int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else LAST_ID,
        "step": step or None,
        "most": MAX_FILTERED,
        "limit": LIMIT,
    }
    items = await _items(request, await request.run("list_newest_events", params))
    return _page(request, items, steps, step=step, is_first=not before)


async def search(request: ConsoleRequest) -> web.Response:
    """Find events by event id, number, handlID, lead, account or e-mail address."""
    text = request.form.get("text", "")[:MAX_TERM]
    if not text:
        return await show(request)
    if "@" in text and (rows := await _by_email(request, text)):
        found = f"Events with this e-mail address, among the newest {MAX_SCANNED:,}."
    else:
        rows = await _by_key(request, text)
        found = "Events with this event id, number, handlID, lead or account."
    return _page(request, await _items(request, rows), await _steps(request), found=found)


def _page(
    request: ConsoleRequest,
    items: list[ListItem],
    steps: list[str],
    *,
    step: str = "",
    found: str | None = None,
    is_first: bool = True,
) -> web.Response:
    return request.page(
        "events.html",
        events=items,
        steps=steps,
        selected=step,
        found=found,
        limit=LIMIT,
        most=MAX_FILTERED,
        is_first=is_first,
    )


async def read_states(queries: Queries, ids: Sequence[int]) -> dict[int, list[EventState]]:
    """Return the states of some events at each destination, by event number."""
    states: defaultdict[int, list[EventState]] = defaultdict(list)
    for row in await queries.run("read_outcomes", {"ids": list(ids)}):
        says = explain(row.reason).says if row.reason else ""
        states[row.id].append(EventState(row.destination, row.outcome or "pending", row.reason, says, row.revision))
    return states


async def _items(queries: Queries, rows: Sequence[Any]) -> list[ListItem]:
    states = await read_states(queries, [row.id for row in rows])
    return [
        ListItem(row.id, row.occurred_at, row.recorded_at, row.name, row.event_id, states.get(row.id, []))
        for row in rows
    ]


async def _steps(queries: Queries) -> list[str]:
    return sorted({row.step for row in await queries.run("read_routing") if row.step})


async def _by_key(request: ConsoleRequest, text: str) -> list[Any]:
    number = (
        int(text.removeprefix("#"))
        if text.removeprefix("#").isdecimal() and text.isascii() and len(text) < 19
        else None
    )
    ids = {row.id for row in await request.run("find_events", {"text": text, "id": number})}
    params = {"keys": [text], "key_limit": KEY_LIMIT, "limit": LIMIT}
    ids |= {row.event_id for row in await request.run("find_events_by_key", params)}
    return await request.run("list_events", {"ids": sorted(ids, reverse=True)[:LIMIT]})


async def _by_email(request: ConsoleRequest, address: str) -> list[Any]:
    async with request.transaction() as transaction:
        ids = sorted((event.id for event in (await scan(transaction, address)).events), reverse=True)
        return await transaction.run("list_events", {"ids": ids[:LIMIT]})


async def scan(transaction: Transaction, address: str) -> Scan:
    """Search the newest events for an e-mail address."""
    (ids,) = await transaction.run("read_event_range")
    return await scan_for_email(transaction, address, Scan(max(0, (ids.last or 0) - MAX_SCANNED)))
