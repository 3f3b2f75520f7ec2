"""The site as a server. Request lines are not logged, because they may contain personal data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from dispatcher.config.settings import Settings
from dispatcher.demo import accounts, leads
from dispatcher.demo.browser import Handler, set_cookies
from dispatcher.demo.crm import create_tables
from dispatcher.demo.pages import HEADERS, HERE, SITE, Site, handl_id, page
from dispatcher.demo.panel import recorded
from dispatcher.request_headers import bounded_headers

log = structlog.get_logger()

MAX_BODY = 64 * 1024
SHUTDOWN_SECONDS = 2
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#0d7a6b"/>'
    '<path d="M11 8v16M22 8.5l-9.5 7.5 9.5 7.5" fill="none" stroke="#fff" stroke-width="3.2" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)
STATIC = {
    "demo.css": ("text/css", (HERE / "static" / "demo.css").read_text("utf-8")),
    "demo.js": ("text/javascript", (HERE / "static" / "demo.js").read_text("utf-8")),
    "icon.svg": ("image/svg+xml", ICON),
}


def create_app(site: Site) -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[bounded_headers, _catch, set_cookies], client_max_size=MAX_BODY)
    app[SITE] = site
    leads.add_routes(app)
    accounts.add_routes(app)
    app.router.add_get("/recorded", _recorded)
    app.router.add_get("/static/{name}", _static)
    return app


@asynccontextmanager
async def running(
    database_url: str, settings: Settings, *, host: str, port: int, sandbox_port: int
) -> AsyncIterator[str]:
    """Run the site in this process while the block lasts; yield its URL."""
    # A database error must not quote the row.
    engine = create_async_engine(database_url.replace("://", "+psycopg://", 1), hide_parameters=True)
    await create_tables(engine)
    site = Site(
        sessions=async_sessionmaker(engine, expire_on_commit=False),
        stream=settings.visitor_arguments()["ga_stream"],
        region=settings.phone_region,
        sandbox_port=sandbox_port,
    )
    runner = web.AppRunner(create_app(site), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        yield f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
    finally:
        await runner.cleanup()
        await engine.dispose()


@web.middleware
async def _catch(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an error with a page; log only its path and type."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status != web.HTTPNotFound.status_code:
            raise
        return await page(request, "message.html", status=404, title="Page not found", text="This page does not exist.")
    except Exception as error:  # noqa: BLE001 - after any error the visitor gets a page, and no data is logged
        log.error("a page failed", path=request.path, error=type(error).__name__)
        return web.Response(status=500, text="Something went wrong. Please try again.", headers=HEADERS)


async def _recorded(request: web.Request) -> web.Response:
    """Answer with the content of the panel, for its script and for `outbox demo --once`."""
    async with request.app[SITE].sessions() as session:
        found = await recorded(session, handl_id(request))
    return web.Response(body=msgspec.json.encode(found), content_type="application/json", headers=HEADERS)


async def _static(request: web.Request) -> web.Response:
    found = STATIC.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    return web.Response(text=found[1], content_type=found[0], headers=HEADERS)
