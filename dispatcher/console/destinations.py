"""The destinations, and what an operator switches: pause, resume, enable, disable; whole, or one step."""

from __future__ import annotations

from aiohttp import web

from dispatcher.console.request import ConsoleRequest
from dispatcher.console.status import situation
from dispatcher.routing import ACTIONS, set_state


async def show(visit: ConsoleRequest) -> web.Response:
    """Give the page."""
    found = await situation(visit, visit.console.config)
    done = visit.request.query.get("done", "")
    return visit.page("destinations.html", situation=found, done=done if done in ACTIONS else None)


async def switch(visit: ConsoleRequest) -> web.Response:
    """Switch a destination, or one step there."""
    action = visit.form.get("action", "")
    destination, step = visit.form.get("destination", ""), visit.form.get("step") or None
    if action not in ACTIONS or not await set_state(visit.console.database, destination, step, action):
        raise web.HTTPNotFound
    visit.acted(action, destination=destination, step=step)
    return web.Response(status=303, headers={"Location": f"/destinations?done={action}"})
