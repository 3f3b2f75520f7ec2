"""The page: live arrivals, newest first. It is rendered on the server, so that it works without JavaScript, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import msgspec
from aiohttp import web

from dispatcher.sandbox.cards import card
from dispatcher.sandbox.ledger import Arrival, Ledger
from dispatcher.sandbox.stand_in import stand_ins
from dispatcher.sandbox.state import SANDBOX

__all__ = ["add_routes"]

CARDS = 50
HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#2f5bea"/>'
    '<path d="M9 16.5l5 5 9-11" fill="none" stroke="#fff" stroke-width="3.4" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)
COLOURS = 4
STATIC: dict[str, tuple[str, str]] = {
    "sandbox.css": ("text/css", (HERE / "static" / "sandbox.css").read_text("utf-8")),
    "sandbox.js": ("text/javascript", (HERE / "static" / "sandbox.js").read_text("utf-8")),
    "icon.svg": ("image/svg+xml", ICON),
}
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def colour(kind: str) -> int:
    """Return the number of the colour of a kind in sandbox.css, by its place among the stand-ins."""
    return list(stand_ins()).index(kind) % COLOURS + 1


_templates.globals.update(stand_ins=stand_ins, colour=colour)


def add_routes(app: web.Application) -> None:
    """Add the page, what it polls, and its files."""
    app.router.add_get("/", _page)
    app.router.add_get("/updates", _updates)
    app.router.add_get("/static/{name}", _static)


async def _page(request: web.Request) -> web.Response:
    ledger = request.app[SANDBOX].ledger
    destination, only = _filter(request)
    html = _templates.get_template("page.html").render(
        cards=[card(one) for one in _newest(ledger, destination, only, 0)],
        totals=_totals(ledger),
        destination=destination,
        only=only,
        epoch=ledger.epoch,
        last=ledger.last_seq,
        environment=_environment(f"{request.scheme}://{request.host}"),
    )
    return web.Response(text=html, content_type="text/html", headers=HEADERS)


async def _updates(request: web.Request) -> web.Response:
    """Answer `{epoch, last, totals, html}` with the arrivals since `after`. If `epoch` changed, reload the page."""
    ledger = request.app[SANDBOX].ledger
    after = request.query.get("after", "")
    destination, only = _filter(request)
    arrivals = _newest(ledger, destination, only, int(after) if after.isdecimal() and len(after) < 16 else 0)
    html = _templates.get_template("cards.html").render(cards=[card(one) for one in arrivals]) if arrivals else ""
    content = {"epoch": ledger.epoch, "last": ledger.last_seq, "totals": _totals(ledger), "html": html}
    return web.Response(body=msgspec.json.encode(content), content_type="application/json", headers=HEADERS)


async def _static(request: web.Request) -> web.Response:
    found = STATIC.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    content_type, text = found
    return web.Response(text=text, content_type=content_type, headers=HEADERS)


def _environment(address: str) -> list[str]:
    """Return the lines that point a dispatcher here: first the addresses, then the secrets."""
    given: dict[str, str] = {}
    for each in stand_ins().values():
        given |= each.environment(address, f"any-{each.kind.secret}")
    return [f"{name}={value}" for name, value in sorted(given.items(), key=lambda pair: pair[1] != address)]


def _filter(request: web.Request) -> tuple[str, bool]:
    destination = request.query.get("destination", "")
    return destination if destination in stand_ins() else "", request.query.get("show") == "problems"


def _newest(ledger: Ledger, destination: str, only: bool, after: int) -> list[Arrival]:
    """Return the newest arrivals that match the filter, newest first."""
    found: list[Arrival] = []
    for arrival in reversed(ledger.arrivals):
        if arrival.seq <= after or len(found) == CARDS:
            break
        if destination in ("", arrival.destination) and (not only or arrival.problems or arrival.fault):
            found.append(arrival)
    return found


def _totals(ledger: Ledger) -> dict[str, dict[str, int]]:
    """Return received, counted, duplicates and invalid of each destination, all event names together."""
    totals: dict[str, Any] = {}
    for destination, names in ledger.summary().items():
        totals[destination] = {
            key: sum(name[key] for name in names.values()) for key in ("received", "counted", "duplicates", "invalid")
        }
    return totals
