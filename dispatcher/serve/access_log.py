"""Around every request: an answer whatever happens, and one line in the log, in which nothing is of a person.

A line names the route and a configured form, never the address that was asked for, nor who asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import structlog
from aiohttp import web

from dispatcher.console.app import IS_LIVE
from dispatcher.serve.errors import RefusedError, UnavailableError, answer, refused, unavailable

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORM = web.RequestKey("FORM", str)
"""The form that was sent."""
ROW = web.RequestKey("ROW", int)
"""The row of the log that was recorded, or was there already."""

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer, and log."""
    began = perf_counter()
    response = await _answered(request, handler)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Server"] = "outbox"
    route = _route(request)
    if route not in QUIET and not request.get(IS_LIVE, False):
        log.info(
            "request",
            method=request.method if request.method in {"GET", "HEAD", "POST", "OPTIONS"} else "other",
            route=route,
            form=request.get(FORM),
            status=response.status,
            row=request.get(ROW),
            milliseconds=round((perf_counter() - began) * 1000, 1),
        )
    return response


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as error:
        response = refused(error)
        if error.status in {408, 413}:
            response.force_close()  # what else it has to say is not read
        return response
    except UnavailableError:
        return unavailable()
    except web.HTTPException as error:
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return answer(error.status, {"error": error.reason.lower()}, allowed)
    except Exception as error:  # noqa: BLE001 - whatever it was: the page gets an answer, the log no data
        log.error("a request failed", route=_route(request), error=type(error).__name__)
        return answer(500, {"error": "something went wrong here; it is in our log"})


def _route(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return resource.canonical if resource else None
