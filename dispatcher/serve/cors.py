"""Which pages may post, and which may read the response (CORS).

| Origin                                | POST                     | may read the response |
|---------------------------------------|--------------------------|-----------------------|
| one of `[serve] origins`              | accepted                 | yes                   |
| our own host, no Origin, `null`       | accepted                 | not needed            |
| another, if `origins` is configured   | 403, nothing is recorded | no                    |
| another, if `origins` is not          | accepted                 | no                    |

A browser sends `null` for a page that hides its address (`Referrer-Policy: no-referrer`).
"""

from __future__ import annotations

from aiohttp import web

from dispatcher.config.web_origin import origin_of
from dispatcher.serve.errors import FormRefusedError

PREFLIGHT_SECONDS = 7200


class Origins:
    """Checks the origin of requests against the configured origins (None: not configured)."""

    def __init__(self, configured: frozenset[str] | None) -> None:
        self._configured = configured

    def check(self, request: web.Request) -> None:
        """Raise `FormRefusedError` if the posting page's origin is not allowed."""
        origin = request.headers.get("Origin", "null")
        if self._configured is None or origin == "null" or self._is_listed(origin) or _is_own(origin, request):
            return
        raise FormRefusedError(
            403, "pages of this origin may not post here; [serve] origins in outbox.toml lists the allowed ones"
        )

    def preflight(self, request: web.Request) -> web.Response:
        """Return the response to a browser's preflight request. Raise `FormRefusedError` if the origin is not listed."""
        if not self._is_listed(request.headers.get("Origin", "")):
            raise FormRefusedError(
                403, "scripts of this origin may not post here; [serve] origins in outbox.toml lists the allowed ones"
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
        """Add the headers that let a listed page read the response and send cookies."""
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
