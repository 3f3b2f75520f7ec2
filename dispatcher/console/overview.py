"""The overview: whether conversions arrive, and what to do if not."""

from __future__ import annotations

from aiohttp import web

from dispatcher.console.chart import HEIGHT, UP, WIDTH, chart
from dispatcher.console.formatting import label
from dispatcher.console.health_summary import verdict
from dispatcher.console.request import ConsoleRequest
from dispatcher.console.status import situation


async def show(visit: ConsoleRequest) -> web.Response:
    """Give the page."""
    found = await situation(visit, visit.console.config)
    return visit.page(
        "overview.html",
        situation=found,
        findings=verdict(found),
        charts={status.name: chart(status.minutes, label(status.name)) for status in found.destinations},
        size={"width": WIDTH, "height": HEIGHT, "base": UP},
    )
