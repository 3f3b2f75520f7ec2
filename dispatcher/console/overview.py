"""The overview page: whether conversions arrive, and what to do if not."""

from __future__ import annotations

from aiohttp import web

from dispatcher.console.chart import HEIGHT, UP, WIDTH, chart
from dispatcher.console.health_summary import summarize
from dispatcher.console.request import ConsoleRequest
from dispatcher.console.status import read_situation
from dispatcher.destinations.registry import label


async def show(request: ConsoleRequest) -> web.Response:
    """Return the page."""
    situation = await read_situation(request, request.console.config)
    return request.page(
        "overview.html",
        situation=situation,
        verdicts=summarize(situation),
        charts={status.name: chart(status.minutes, label(status.name)) for status in situation.destinations},
        size={"width": WIDTH, "height": HEIGHT, "base": UP},
    )
