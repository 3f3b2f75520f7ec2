"""The headers of a request, bounded before anybody parses them; used by every server of ours.

    app = web.Application(middlewares=[bounded_headers])        # answers 431 to a header that is absurdly long
    content_of(request).media_type                              # "multipart/form-data"

`aiohttp` reads `Content-Type` with the e-mail library's header parser, which is quadratic: 10 kB of `;"` took ten
seconds. So `request.content_type` and `request.charset` are not used here; this module reads the header itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from aiohttp import web

LONGEST = 256
"""Bytes of a header that is parsed and never needs more."""

BOUNDED = frozenset(
    {
        "accept-charset", "accept-encoding", "access-control-request-method", "cache-control", "connection",
        "content-disposition", "content-encoding", "content-length", "content-range", "content-transfer-encoding",
        "content-type", "date", "dnt", "expect", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
        "if-unmodified-since", "keep-alive", "max-forwards", "origin", "pragma", "range", "sec-fetch-dest", "sec-fetch-mode",
        "sec-fetch-site", "sec-fetch-user", "te", "trailer", "transfer-encoding", "upgrade", "x-forwarded-proto",
        "x-outbox-live",
    }
)  # fmt: skip
"""Such headers. Not among them: cookies, user agents, referrers, tokens, signatures, and what proxies add of their own."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Content(NamedTuple):
    """What `Content-Type` says of a body: the media type in lower case, and the parameters that a form may have."""

    media_type: str
    charset: str | None
    boundary: str | None


@web.middleware
async def bounded_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request with 431 if a header is longer than `LONGEST` that is never so long."""
    for name, value in request.headers.items():
        if len(value) > LONGEST and name.lower() in BOUNDED:
            body = msgspec.json.encode({"error": f"the header {name.title()} is longer than {LONGEST} bytes"})
            response = web.Response(status=431, body=body, content_type="application/json")
            response.force_close()  # the body is not read
            return response
    return await handler(request)


def content_of(request: web.Request) -> Content:
    """Return what the request's `Content-Type` says; what cannot be read is missing."""
    return parse_content_type(request.headers.get("Content-Type", ""))


def parse_content_type(header: str) -> Content:
    """Return the media type, charset and boundary in a `Content-Type` of at most `LONGEST` bytes."""
    if len(header) > LONGEST:
        return Content("", None, None)
    media_type, *parameters = header.split(";")
    found: dict[str, str] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return Content(media_type.strip().lower(), found.get("charset"), found.get("boundary"))
