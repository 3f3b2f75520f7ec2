"""Which pages may post, and which may read the answer (CORS).

| Origin                             | POST                     | reads the answer |
|------------------------------------|--------------------------|------------------|
| one of `[serve] origins`           | taken                    | yes              |
| our own host, none at all, `null`  | taken                    | no need          |
| another, where `origins` are named | 403, nothing is recorded | no               |
| another, where none are named      | taken                    | no               |

`null` is what a browser says for a page that keeps its address to itself (`Referrer-Policy: no-referrer`).
"""

from __future__ import annotations

from aiohttp import web

from dispatcher.config.web_origin import origin_of
from dispatcher.serve.errors import RefusedError

PREFLIGHT_SECONDS = 7200


class Origins:
    """The origins that are configured; None: none are."""

    def __init__(self, configured: frozenset[str] | None) -> None:
        self._configured = configured

    def check(self, request: web.Request) -> None:
        """Raise `RefusedError` if the page that posts is not one of ours."""
        origin = request.headers.get("Origin", "null")
        if self._configured is None or origin == "null" or self._is_listed(origin) or _is_own(origin, request):
            return
        raise RefusedError(
            403, "pages of this origin may not post here; [serve] origins in outbox.toml lists those that may"
        )

    def preflight(self, request: web.Request) -> web.Response:
        """Answer what a browser asks before a script's POST."""
        if not self._is_listed(request.headers.get("Origin", "")):
            raise RefusedError(
                403, "scripts of this origin may not post here; [serve] origins in outbox.toml lists those that may"
            )
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": "Content-Type",
                "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
            },
        )

    def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a page that is listed read the answer, and send its cookies along."""
        response.headers["Vary"] = "Origin"
        origin = request.headers.get("Origin", "")
        if self._is_listed(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"

    def _is_listed(self, origin: str) -> bool:
        return origin_of(origin) == origin and origin in (self._configured or ())


def _is_own(origin: str, request: web.Request) -> bool:
    return (origin_of(origin) or "").partition("://")[2] == request.host.lower() != ""
