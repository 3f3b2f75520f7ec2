"""Read the visitor from a framework's own request object: one function per framework for `Visitor.from_request`.

    visitor = outbox.visitor_from_django(request, form=request.POST)

| framework          | call                                                                     |
|--------------------|--------------------------------------------------------------------------|
| aiohttp            | `outbox.visitor_from_aiohttp(request, form=await request.post())`        |
| Starlette, FastAPI | `outbox.visitor_from_starlette(request, form=await request.form())`      |
| Flask              | `outbox.visitor_from_flask(request, form=request.form)`                  |
| Django             | `outbox.visitor_from_django(request, form=request.POST)`                 |

The body is never read here: the handler decides whether it is a form, JSON or a file, and when to read it. `form` is what
the handler has read, if it may carry parameters (the hidden fields `fb_event_id`, `fbp`, … of a landing page); a mapping
from JSON works too. The other options are those of `Visitor.from_request`.

No framework is imported. All four return the same visitor for the same request, because they read the query string and
cookies as sent, not as parsed by the framework.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from outbox.visitor import Visitor

LOOPBACK = "127.0.0.1"


class RequestOptions(TypedDict, total=False):
    """The further options of `Visitor.from_request`; `remote` replaces the connection's address."""

    form: Mapping[str, Any] | None
    remote: str
    url: str | None
    trusted_proxies: Sequence[str]
    ip_headers: Sequence[str]
    ga_stream: str | None
    consent: Mapping[str, Any] | None
    now: datetime | None


def visitor_from_aiohttp(request: Any, **options: Unpack[RequestOptions]) -> Visitor:
    """Return the visitor of an `aiohttp.web.Request`."""
    return _visitor(request.headers, request.rel_url.raw_query_string, request.remote, options)


def visitor_from_starlette(request: Any, **options: Unpack[RequestOptions]) -> Visitor:
    """Return the visitor of a `starlette.requests.Request`, which is also FastAPI's."""
    client = request.client
    return _visitor(request.headers, request.scope["query_string"], client.host if client else None, options)


def visitor_from_flask(request: Any, **options: Unpack[RequestOptions]) -> Visitor:
    """Return the visitor of a `flask.Request`."""
    return _visitor(request.headers, request.query_string, request.remote_addr, options)


def visitor_from_django(request: Any, **options: Unpack[RequestOptions]) -> Visitor:
    """Return the visitor of a `django.http.HttpRequest` (WSGI or ASGI)."""
    meta = request.META
    return _visitor(request.headers, meta.get("QUERY_STRING", ""), meta.get("REMOTE_ADDR"), options)


def _visitor(headers: Mapping[str, str], query: str | bytes, remote: str | None, options: RequestOptions) -> Visitor:
    # A connection without an address is a Unix socket: the peer is a proxy on this machine.
    options.setdefault("remote", remote or LOOPBACK)
    return Visitor.from_request(
        headers=headers, query=query.decode("latin-1") if isinstance(query, bytes) else query, **options
    )
