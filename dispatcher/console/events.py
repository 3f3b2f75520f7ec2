"""The events: the newest, and those that somebody looks for.

What is looked for is posted and in no address; an e-mail address is hashed in memory, looked up, and forgotten.
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
from dispatcher.people.lookup import Scan, scan_for_email
from dispatcher.reasons import explain

LIMIT = 50
MOST = 100_000
"""So many of the newest are looked through for those of one step."""
SCANNED = 1_000_000
"""So many of the newest are looked through for an e-mail address, about two seconds."""
KEY_LIMIT = 200
LONGEST = 500
LAST = 2**63 - 1


class State(msgspec.Struct, frozen=True):
    """How far an event is at one destination; `outcome`: delivered, skipped, dead or owed."""

    destination: str
    outcome: str
    reason: str | None
    says: str
    revision: int


class Listed(msgspec.Struct, frozen=True):
    """One event of a list."""

    id: int
    occurred_at: datetime
    recorded_at: datetime
    name: str
    event_id: str
    states: list[State]


async def show(visit: ConsoleRequest) -> web.Response:
    """Give the newest, or those before `?before=`, of the step `?name=`."""
    steps = await _steps(visit)
    name = visit.request.query.get("name", "")
    name = name if name in steps else ""
    before = visit.request.query.get("before", "")
    asked = {
        "before": int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else LAST,
        "name": name or None,
        "most": MOST,
        "limit": LIMIT,
    }
    listed = await _listed(visit, await visit.run("list_newest_events", asked))
    return visit.page(
        "events.html", events=listed, steps=steps, name=name, found=None, limit=LIMIT, most=MOST, is_first=not before
    )


async def search(visit: ConsoleRequest) -> web.Response:
    """Look for an event id, a number, a handlID, lead, account or e-mail address."""
    text = visit.form.get("text", "")[:LONGEST]
    if not text:
        return await show(visit)
    if "@" in text and (rows := await _by_email(visit, text)):
        found = f"Events with this e-mail address, among the newest {SCANNED:,}."
    else:
        rows = await _by_key(visit, text)
        found = "Events with this event id or number, handlID, lead or account."
    listed = await _listed(visit, rows)
    steps = await _steps(visit)
    return visit.page(
        "events.html", events=listed, steps=steps, name="", found=found, limit=LIMIT, most=MOST, is_first=True
    )


async def states(queries: Queries, ids: Sequence[int]) -> dict[int, list[State]]:
    """Give for some events how far they are at each destination."""
    found: defaultdict[int, list[State]] = defaultdict(list)
    for event, destination, revision, outcome, reason in await queries.run("read_outcomes", {"ids": list(ids)}):
        says = explain(reason).says if reason else ""
        found[event].append(State(destination, outcome or "pending", reason, says, revision))
    return found


async def _listed(queries: Queries, rows: Sequence[tuple[Any, ...]]) -> list[Listed]:
    told = await states(queries, [row[0] for row in rows])
    return [
        Listed(event, occurred_at, recorded_at, name, event_id, told.get(event, []))
        for event, occurred_at, recorded_at, name, event_id in rows
    ]


async def _steps(queries: Queries) -> list[str]:
    return sorted({row[5] for row in await queries.run("read_routing") if row[5]})


async def _by_key(visit: ConsoleRequest, text: str) -> list[tuple[Any, ...]]:
    number = (
        int(text.removeprefix("#"))
        if text.removeprefix("#").isdecimal() and text.isascii() and len(text) < 19
        else None
    )
    ids = {row[0] for row in await visit.run("find_events", {"text": text, "id": number})}
    asked = {"keys": [text], "key_limit": KEY_LIMIT, "limit": LIMIT}
    ids |= {row[0] for row in await visit.run("find_events_by_key", asked)}
    return await visit.run("list_events", {"ids": sorted(ids, reverse=True)[:LIMIT]})


async def _by_email(visit: ConsoleRequest, address: str) -> list[tuple[Any, ...]]:
    async with visit.transaction() as transaction:
        ids = sorted((event.id for event in (await scan(transaction, address)).events), reverse=True)
        return await transaction.run("list_events", {"ids": ids[:LIMIT]})


async def scan(transaction: Transaction, address: str) -> Scan:
    """Look through the newest events for an e-mail address."""
    _, last = (await transaction.run("read_event_range"))[0]
    return await scan_for_email(transaction, address, Scan(max(0, (last or 0) - SCANNED)))
