"""The middleware around every request: always a response, and one log line without personal data.

The line contains the route and the configured form, never the requested address or the client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import structlog
from aiohttp import web

from dispatcher.console.app import IS_LIVE
from dispatcher.serve.errors import FormRefusedError, UnavailableError, answer, refused, unavailable

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORM = web.RequestKey("FORM", str)
"""The name of the submitted form."""
ROW = web.RequestKey("ROW", int)
"""The number of the event that was recorded, or existed already."""

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond to a request, and log it."""
    began = perf_counter()
    response = await _respond(request, handler)
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


async def _respond(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except FormRefusedError as error:
        response = refused(error)
        if error.status in {408, 413}:
            response.force_close()  # the rest of the body is not read
        return response
    except UnavailableError:
        return unavailable()
    except web.HTTPException as error:
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return answer(error.status, {"error": error.reason.lower()}, allowed)
    except Exception as error:  # noqa: BLE001 - the client always gets a response, and the log never gets data
        log.error("request failed", route=_route(request), error=type(error).__name__)
        return answer(500, {"error": "something went wrong on our side; the error is in the log"})


def _route(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return resource.canonical if resource else None
