"""The ledger and the faults over HTTP, in JSON: for tests in other processes, and for the demo.

GET /ledger?destination=&after=&limit=   {destination: [arrival, …], …}, oldest first, of those still kept
GET /ledger/summary                      {destination: {event name: {received, counted, duplicates, invalid}}, …}
GET /ledger/counts?target=               lines of [destination, event_name, event_id, received, counted]
GET /ledger/unacknowledged?target=       lines of [destination, event_name, event_id, times]
GET /ledger/requests                     {"totals": [{destination, fault, status, …, count}], "latest": [request, …]}
DELETE /ledger                           clears everything
GET /faults, PUT /faults, DELETE /faults the plans and the faults injected so far (see `faults`)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec
from aiohttp import web

from dispatcher.sandbox.faults import Faults, Plan
from dispatcher.sandbox.ledger import Arrival, Ledger
from dispatcher.sandbox.state import SANDBOX

__all__ = ["add_routes"]

LINES_A_CHUNK = 2000


def add_routes(app: web.Application) -> None:
    """Add the paths above."""
    app.router.add_get("/ledger", _arrivals)
    app.router.add_delete("/ledger", _clear)
    app.router.add_get("/ledger/summary", _summary)
    app.router.add_get("/ledger/counts", _counts)
    app.router.add_get("/ledger/unacknowledged", _unacknowledged)
    app.router.add_get("/ledger/requests", _requests)
    app.router.add_get("/faults", _faults)
    app.router.add_put("/faults", _plan)
    app.router.add_delete("/faults", _no_faults)


async def _arrivals(request: web.Request) -> web.Response:
    destination = request.query.get("destination")
    after, limit = _number(request, "after", 0), _number(request, "limit", 10_000)
    ledger = request.app[SANDBOX].ledger
    result: dict[str, list[Arrival]] = {name: [] for name in request.app[SANDBOX].faults}
    chosen = (one for one in ledger.arrivals if one.seq > after and destination in (None, one.destination))
    for arrival in islice(chosen, limit):
        result[arrival.destination].append(arrival)
    return _json(result)


async def _clear(request: web.Request) -> web.Response:
    request.app[SANDBOX].ledger.clear()
    return web.Response(status=204)


async def _summary(request: web.Request) -> web.Response:
    return _json(request.app[SANDBOX].ledger.summary())


async def _counts(request: web.Request) -> web.StreamResponse:
    ledger: Ledger = request.app[SANDBOX].ledger
    rows = ledger.counts(request.query.get("target"))
    return await _lines(request, ((*key, counts.received, counts.counted) for *key, counts in rows))


async def _unacknowledged(request: web.Request) -> web.StreamResponse:
    ledger: Ledger = request.app[SANDBOX].ledger
    rows = ledger.counts(request.query.get("target"))
    return await _lines(request, ((*key, counts.unacknowledged) for *key, counts in rows if counts.unacknowledged))


async def _requests(request: web.Request) -> web.Response:
    ledger = request.app[SANDBOX].ledger
    return _json({"totals": ledger.outcomes(), "latest": list(ledger.requests)})


async def _faults(request: web.Request) -> web.Response:
    return _json({name: faults.report() for name, faults in request.app[SANDBOX].faults.items()})


async def _plan(request: web.Request) -> web.Response:
    """Replace all plans. A destination that is not named has no faults from now on."""
    faults = request.app[SANDBOX].faults
    try:
        plans = msgspec.json.decode(await request.read(), type=dict[str, Plan])
        for destination, plan in plans.items():
            _check(destination, plan, faults)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return _json({"error": str(error)}, status=400)
    for destination, of_destination in faults.items():
        of_destination.follow(plans.get(destination, Plan()))
    return await _faults(request)


def _check(destination: str, plan: Plan, faults: Mapping[str, Faults]) -> None:
    if destination not in faults:
        raise ValueError(f"there is no destination {destination!r}; there are: {', '.join(faults)}")
    plan.check(destination, faults[destination].possible)


async def _no_faults(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    sandbox.faults.update({name: Faults(faults.possible) for name, faults in sandbox.faults.items()})
    return web.Response(status=204)


async def _lines(request: web.Request, rows: Iterable[tuple[Any, ...]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    rows = iter(rows)
    while chunk := list(islice(rows, LINES_A_CHUNK)):
        await response.write(msgspec.json.Encoder().encode_lines(chunk))
    await response.write_eof()
    return response


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else default


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")
