"""The page of destinations, where an operator pauses, resumes, enables or disables a destination or one of its steps."""

from __future__ import annotations

from aiohttp import web

from dispatcher.console.request import ConsoleRequest
from dispatcher.console.status import read_situation
from dispatcher.routing import ACTIONS, set_state


async def show(request: ConsoleRequest) -> web.Response:
    """Return the page."""
    situation = await read_situation(request, request.console.config)
    done = request.http.query.get("done", "")
    return request.page("destinations.html", situation=situation, done=done if done in ACTIONS else None)


async def change(request: ConsoleRequest) -> web.Response:
    """Pause, resume, enable or disable a destination, or one step there."""
    action = request.form.get("action", "")
    destination, step = request.form.get("destination", ""), request.form.get("step") or None
    if action not in ACTIONS or not await set_state(request.console.database, destination, step, action):
        raise web.HTTPNotFound
    request.log_action(action, destination=destination, step=step)
    return web.Response(status=303, headers={"Location": f"/destinations?done={action}"})
