"""Templates, static files, and the security headers of every page. No inline styles or scripts anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from dispatcher.console import formatting
from dispatcher.destinations.registry import label
from dispatcher.preview.masking import key

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Other sites get no referrer. With no-referrer, browsers would send our own forms with `Origin: null`, and their
    # origin could not be checked.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f5f5b"/>'
    '<path d="M7 16h12m0 0-5-5m5 5-5 5M25 8v16" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)
STATIC: dict[str, tuple[str, str]] = {
    "console.css": ("text/css", (HERE / "static" / "console.css").read_text("utf-8")),
    "console.js": ("text/javascript", (HERE / "static" / "console.js").read_text("utf-8")),
    "icon.svg": ("image/svg+xml", ICON),
}

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_templates.filters.update(
    clock=formatting.clock,
    count=formatting.count,
    day=formatting.day,
    key=key,
    moment=formatting.moment,
    share=formatting.share,
    span=formatting.span,
    step=formatting.step,
)
_templates.globals.update(label=label)


def render(template: str, *, status: int, is_live: bool, **context: Any) -> web.Response:
    """Return a page; with `is_live` only the part that updates itself."""
    html = _templates.get_template(template).render(layout="live.html" if is_live else "page.html", **context)
    return web.Response(text=html, content_type="text/html", status=status, headers=HEADERS)


async def static(request: web.Request) -> web.Response:
    """Return a static file. Needs no sign-in."""
    found = STATIC.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    content_type, text = found
    return web.Response(text=text, content_type=content_type, headers=HEADERS)
