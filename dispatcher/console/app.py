"""The console's routes, and what every page needs: access checks, error pages, headers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import structlog
from aiohttp import web

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.console import dead_letters, destinations, event, events, match_quality, overview, people, sign_in
from dispatcher.console.access import AccessRefusedError, SignInError, check_origin
from dispatcher.console.rendering import HEADERS, render, static
from dispatcher.console.request import LIVE, Console, ConsoleRequest, read_form
from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database

log = structlog.get_logger()

Page = Callable[[ConsoleRequest], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONNECTIONS = 3
TIMEOUT_SECONDS = 15.0
"""How long a page may take before it reports that the database is too busy."""

IS_LIVE = web.RequestKey("IS_LIVE", bool)
"""Set on the requests that an open page makes every few seconds to update itself."""

UNREADABLE = {
    psycopg.errors.InsufficientPrivilege: (
        "The database user may not read the outbox. GRANT outbox_reader to it, or outbox_dispatcher to also allow actions."
    ),
    psycopg.errors.UndefinedTable: "The database schema is missing. Run `outbox migrate`.",
    psycopg.errors.InvalidSchemaName: "The database schema is missing. Run `outbox migrate`.",
}
BUSY = (
    "The database does not answer, or is too busy. Recorded conversions are safe and will be delivered once it is back."
)

PAGES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", overview.show),
    ("GET", "/events", events.show),
    ("POST", "/events", events.search),
    ("GET", "/events/{id:[0-9]{1,18}}", event.show),
    ("GET", "/people", people.show),
    ("POST", "/people", people.search),
    ("GET", "/dead", dead_letters.show),
    ("GET", "/quality", match_quality.show),
    ("GET", "/destinations", destinations.show),
)
"""The pages. Searches are posted, so that a search term is never part of an address."""

ACTIONS: tuple[tuple[str, Page], ...] = (
    ("/dead/requeue", dead_letters.requeue),
    ("/destinations", destinations.change),
    ("/sign-out", sign_in.sign_out),
)


def add_to(app: web.Application, database_url: str, settings: Settings, config: Config) -> None:
    """Mount the console on an application. Its database connections open and close with the application."""

    async def connected(_: web.Application) -> AsyncIterator[None]:
        async with Database.connect(database_url, connections=CONNECTIONS) as database:
            opened.append(Console(database, settings, config))
            yield
            opened.clear()

    def console() -> Console:
        return opened[0]

    opened: list[Console] = []
    app.cleanup_ctx.append(connected)
    for method, path, page in PAGES:
        app.router.add_route(method, path, _page(console, page))
    for path, action in ACTIONS:
        app.router.add_post(path, _action(console, action))
    app.router.add_post("/sign-in", _with_error_pages(lambda request: sign_in.sign_in(console(), request)))
    app.router.add_get("/console/{name}", static)


def _page(console: Callable[[], Console], page: Page) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        viewer = console().access.viewer(request)
        form: dict[str, str] = {}
        if request.method == "POST":
            check_origin(request)
            form = await read_form(request)
        return await page(ConsoleRequest(console(), request, viewer, form))

    return _with_error_pages(handle)


def _action(console: Callable[[], Console], action: Page) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        viewer = console().access.viewer(request)
        form = await read_form(request)
        console().access.check_action(request, viewer, form)
        return await action(ConsoleRequest(console(), request, viewer, form))

    return _with_error_pages(handle)


def _with_error_pages(handle: Handler) -> Handler:
    """Return a handler that answers every error with a page that says what to do."""

    async def handle_safely(request: web.Request) -> web.StreamResponse:
        request[IS_LIVE] = request.method == "GET" and LIVE in request.headers
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await handle(request)
        except SignInError:
            response = sign_in.ask(request)
        except AccessRefusedError as error:
            if error.status in {401, 429}:
                response = sign_in.ask(request, error)
            else:
                response = _problem(error.status, error.message)
        except (*DATABASE_UNAVAILABLE, TimeoutError):
            response = _problem(503, BUSY, retries=request.method == "GET")
            response.headers["Retry-After"] = "5"
        except tuple(UNREADABLE) as error:
            response = _problem(503, next(text for kind, text in UNREADABLE.items() if isinstance(error, kind)))
        except web.HTTPNotFound:
            response = _problem(404, "There is no such page. An old event may have passed its retention time.")
        except web.HTTPException as error:
            response = _problem(error.status, error.reason)
        except Exception as error:  # noqa: BLE001 - the viewer always gets a page, and the log never gets data
            log.error("console page failed", error=type(error).__name__)
            response = _problem(500, "Something went wrong on our side. The error is in the log.")
        response.headers.update(HEADERS)
        return response

    return handle_safely


TITLES = {403: "Access denied", 404: "Not found", 500: "Something went wrong", 503: "Temporarily unavailable"}


def _problem(status: int, message: str, *, retries: bool = False) -> web.Response:
    return render(
        "problem.html",
        status=status,
        is_live=False,
        viewer=None,
        path="",
        title=TITLES.get(status, "Request refused"),
        message=message,
        retries=retries,
    )
