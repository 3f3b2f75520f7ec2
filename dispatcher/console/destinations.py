"""The destinations, and what an operator switches: pause, resume, enable, disable; whole, or one step."""

from __future__ import annotations

from aiohttp import web

from dispatcher import routing_switches
from dispatcher.console.request import Visit
from dispatcher.console.status import situation
from dispatcher.routing_switches import WHATS


async def show(visit: Visit) -> web.Response:
    """Give the page."""
    found = await situation(visit, visit.console.config)
    done = visit.request.query.get("done", "")
    return visit.page("destinations.html", situation=found, done=done if done in WHATS else None)


async def switch(visit: Visit) -> web.Response:
    """Switch a destination, or one step there."""
    what = visit.form.get("what", "")
    destination, step = visit.form.get("destination", ""), visit.form.get("step") or None
    if what not in WHATS or not await routing_switches.switch(visit.console.database, destination, step, what):
        raise web.HTTPNotFound
    visit.acted(what, destination=destination, step=step)
    return web.Response(status=303, headers={"Location": f"/destinations?done={what}"})
