"""Rendering: one page, its headers, and the parts common to all pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from dispatcher.demo.crm import CrmAccount
from dispatcher.demo.panel import recorded
from dispatcher.destinations.registry import label

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SESSION = "kerf_session"


@dataclass(slots=True, kw_only=True)
class Site:
    """The state shared by the handlers. `logins` maps session cookies to accounts."""

    sessions: async_sessionmaker[AsyncSession]
    stream: str
    region: str
    sandbox_port: int
    logins: dict[str, str] = field(default_factory=dict, repr=False)


SITE = web.AppKey("SITE", Site)

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_templates.globals.update(destination_label=label)


async def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Render a template, with the signed-in state and the panel of recorded conversions."""
    async with request.app[SITE].sessions() as session:
        shown = await recorded(session, handl_id(request))
    html = _templates.get_template(template).render(
        signed_in=account_id(request) is not None,
        path=request.path,
        recorded=shown,
        sandbox=sandbox_url(request),
        **values,
    )
    return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)


def redirect(address: str) -> web.Response:
    """Redirect the browser, so that reloading the page does not submit the form again."""
    return web.Response(status=303, headers={**HEADERS, "Location": address})


def handl_id(request: web.Request) -> str | None:
    """Return the visitor's handlID, if the browser sent one."""
    return request.cookies.get("handlID") or None


def account_id(request: web.Request) -> str | None:
    """Return the id of the signed-in account."""
    return request.app[SITE].logins.get(request.cookies.get(SESSION, ""))


async def account(request: web.Request, session: AsyncSession) -> CrmAccount | None:
    """Return the signed-in account, locked until the end of the transaction."""
    signed_in = account_id(request)
    return await session.get(CrmAccount, signed_in, with_for_update=True) if signed_in else None


def sandbox_url(request: web.Request) -> str:
    """Return the URL of the sandbox's page for this browser."""
    return str(request.url.origin().with_port(request.app[SITE].sandbox_port))
