"""How every server of ours is run: as aiohttp does it, but that nothing of a request which cannot be read is repeated.

aiohttp answers such a request with the bytes that are at fault, and logs them with the address they came from.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

_SILENT = logging.getLogger("dispatcher.http_server.silent")
_SILENT.disabled = True

MET = "100-continue"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

UNREADABLE = "this request cannot be read"


class Runner(web.AppRunner):
    """Runs an application; options are those of `aiohttp.web.AppRunner`. It logs nothing by itself."""

    def __init__(self, app: web.Application, **options: Any) -> None:
        super().__init__(app, **{"access_log": None, "logger": _SILENT, **options})

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _BoundedServer
        server.request_handler = _without_expectations(server.request_handler)
        return server


def _without_expectations(handle: Handler) -> Handler:
    """Refuse an `Expect` that nobody meets before aiohttp does, which quotes it."""

    async def handle_or_refuse(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", MET).lower() != MET:
            response = web.Response(status=417, text=UNREADABLE)
            response.force_close()
            return response
        return await handle(request)

    return handle_or_refuse


class _BoundedServer(web.Server):
    __slots__ = ()

    def __call__(self) -> RequestHandler:
        handler = super().__call__()
        handler.__class__ = _Handler
        return handler


class _Handler(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """Answer what never reached the application."""
        return super().handle_error(request, status, exc, UNREADABLE)
