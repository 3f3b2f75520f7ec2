"""The browser's part, done by the server: the work of a real page's scripts, without loading any of them.

| cookie         | set on a real page by | holds                                              |
|----------------|-----------------------|----------------------------------------------------|
| `_fbp`         | Meta's pixel          | `fb.1.<ms>.<random>`                               |
| `_fbc`         | Meta's pixel          | `fb.1.<ms>.<fbclid>`, once a click brought one     |
| `_ga`          | gtag                  | `GA1.1.<random>.<s>`                               |
| `_ga_<stream>` | gtag                  | the session, in the form of May 2025 (GS2)         |
| `handlID`      | HandL UTM Grabber     | the visitor                                        |
| `utm_…`        | HandL UTM Grabber     | the campaign of the last visit that had one        |

`forward` replaces the landing page's click listener, `visitor` the proxy in front of a CRM.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from random import randint
from time import time
from urllib.parse import quote, urlencode
from uuid import uuid4

from aiohttp import web

import outbox
from dispatcher.demo.pages import SITE
from outbox import cookies

DAYS_90 = 90 * 24 * 3600
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
OUTSIDE = "203.0.113.42"
"""The address of a visitor on loopback: one for documentation (RFC 5737), in the form that a proxy would report."""

JAR = web.RequestKey("JAR", dict[str, str])
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def set_cookies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Set the cookies that a real page's scripts would set; `request[JAR]` is what the browser holds afterwards."""
    fresh = _missing(request.cookies, request.query, request.app[SITE].stream)
    request[JAR] = {**request.cookies, **fresh}
    response = await handler(request)
    if response.content_type == "text/html":
        for name, value in fresh.items():
            response.set_cookie(name, value, max_age=DAYS_90, samesite="Lax")
    return response


def _missing(jar: Mapping[str, str], query: Mapping[str, str], stream: str) -> dict[str, str]:
    now = time()
    fresh = {
        "_fbp": f"fb.1.{int(now * 1000)}.{randint(10**9, 2**31)}",
        "_ga": f"GA1.1.{randint(10**8, 10**9)}.{int(now)}",
        cookies.ga_stream_cookie(stream): f"GS2.1.s{int(now)}$o1$g1$t{int(now)}$j60$l0$h0",
        "handlID": str(randint(10**15, 10**16)),
    }
    fresh = {name: value for name, value in fresh.items() if name not in jar}
    clicked = query.get("fbclid", "")
    if clicked and cookies.fbclid_of(jar.get("_fbc", "")) != clicked:
        fbc = cookies.fbc_from_fbclid(clicked, int(now * 1000))
        fresh |= {"_fbc": fbc} if fbc else {}
    if "utm_source" in query:
        fresh |= {name: quote(query[name][:200], safe="") for name in UTM if name in query}
    return fresh


def forward(request: web.Request, place: str, event_id: str | None = None) -> str:
    """Return the query that a landing page appends to the link of a call to action at `place`.

    Browser and server share the `event_id`; each conversion has its own. Meta identifies a conversion by event_name and
    event_id, and several forms are a `Lead` there: with the same id, all but the first would be dropped.
    """
    jar = request[JAR]
    parameters = {
        "fb_event_id": event_id or str(uuid4()),
        "fbp": jar.get("_fbp"),
        "fbc": jar.get("_fbc"),
        "ga_client_id": cookies.parse_ga_client_id(jar.get("_ga", "")),
        "fb_source": "kerf-landing",
        "fb_loc": place,
        **{name: request.query.get(name) for name in UTM},
    }
    return urlencode({name: value for name, value in parameters.items() if value})


def visitor(request: web.Request, *, url: str | None = None) -> outbox.Visitor:
    """Return the visitor, as any CRM would. It needs only the request's plain values, not aiohttp."""
    headers = dict(request.headers)
    if not _is_public(request.remote) and "X-Forwarded-For" not in request.headers:
        headers["X-Forwarded-For"] = OUTSIDE
    return outbox.Visitor.from_request(
        headers=headers,
        cookies=request.cookies,
        query={name: request.query.getall(name) for name in request.query},
        remote=request.remote,
        url=url,
        ga_stream=request.app[SITE].stream,
    )


def _is_public(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_global
    except ValueError:
        return False
