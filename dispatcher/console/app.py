"""The console's routes, and what stands around every page: access, errors said calmly, headers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import structlog
from aiohttp import web

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.console import dead_letters, destinations, event, events, match_quality, overview, people, sign_in
from dispatcher.console.access import RefusedError, SignInError, check_origin
from dispatcher.console.rendering import HEADERS, answer, static
from dispatcher.console.request import LIVE, Console, ConsoleRequest, read_form
from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database

log = structlog.get_logger()

Page = Callable[[ConsoleRequest], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONNECTIONS = 3
PATIENCE_SECONDS = 15.0
"""How long a page may take; then it says that the database is too busy."""

IS_LIVE = web.RequestKey("IS_LIVE", bool)
"""Set on a request that an open page makes by itself, every few seconds."""

UNREADABLE = {
    psycopg.errors.InsufficientPrivilege: (
        "The database's user may not read the outbox. GRANT outbox_reader to it, or outbox_dispatcher, which may act too."
    ),
    psycopg.errors.UndefinedTable: "The database was not migrated. Run `outbox migrate`.",
    psycopg.errors.InvalidSchemaName: "The database was not migrated. Run `outbox migrate`.",
}
BUSY = "The database does not answer, or is too busy. What was recorded is safe, and delivered when it is back."

READS: tuple[tuple[str, str, Page], ...] = (
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
"""Pages; those that are posted hold what somebody searches for, which is in no address so."""

ACTIONS: tuple[tuple[str, Page], ...] = (
    ("/dead/requeue", dead_letters.requeue),
    ("/destinations", destinations.switch),
    ("/sign-out", sign_in.sign_out),
)


def add_to(app: web.Application, database_url: str, settings: Settings, config: Config) -> None:
    """Mount the console on an application; its connections open and close with it."""

    async def connected(_: web.Application) -> AsyncIterator[None]:
        async with Database.connect(database_url, connections=CONNECTIONS) as database:
            opened.append(Console(database, settings, config))
            yield
            opened.clear()

    def console() -> Console:
        return opened[0]

    opened: list[Console] = []
    app.cleanup_ctx.append(connected)
    for method, path, page in READS:
        app.router.add_route(method, path, _reading(console, page))
    for path, page in ACTIONS:
        app.router.add_post(path, _acting(console, page))
    app.router.add_post("/sign-in", _calmly(lambda request: sign_in.sign_in(console(), request)))
    app.router.add_get("/console/{name}", static)


def _reading(console: Callable[[], Console], page: Page) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        viewer = console().access.viewer(request)
        form: dict[str, str] = {}
        if request.method == "POST":
            check_origin(request)
            form = await read_form(request)
        return await page(ConsoleRequest(console(), request, viewer, form))

    return _calmly(handle)


def _acting(console: Callable[[], Console], page: Page) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        viewer = console().access.viewer(request)
        form = await read_form(request)
        console().access.check_action(request, viewer, form)
        return await page(ConsoleRequest(console(), request, viewer, form))

    return _calmly(handle)


def _calmly(handle: Handler) -> Handler:
    """Answer whatever happens, with a page that says what to do."""

    async def calm(request: web.Request) -> web.StreamResponse:
        request[IS_LIVE] = request.method == "GET" and LIVE in request.headers
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                response = await handle(request)
        except SignInError:
            response = sign_in.ask(request)
        except RefusedError as error:
            response = sign_in.ask(request, error) if error.status in {401, 429} else _problem(error.status, error.says)
        except (*DATABASE_UNAVAILABLE, TimeoutError):
            response = _problem(503, BUSY, retries=request.method == "GET")
            response.headers["Retry-After"] = "5"
        except tuple(UNREADABLE) as error:
            says = next(text for kind, text in UNREADABLE.items() if isinstance(error, kind))
            response = _problem(503, says)
        except web.HTTPNotFound:
            response = _problem(404, "There is no such page. What was recorded long ago may have had its time.")
        except web.HTTPException as error:
            response = _problem(error.status, error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it was: the viewer gets a page, the log no data
            log.error("a page of the console failed", error=type(error).__name__)
            response = _problem(500, "Something went wrong here; it is in our log.")
        response.headers.update(HEADERS)
        return response

    return calm


TITLES = {403: "Not from here", 404: "Not found", 500: "Something went wrong", 503: "Not now"}


def _problem(status: int, says: str, *, retries: bool = False) -> web.Response:
    title = TITLES.get(status, "Refused")
    return answer(
        "problem.html", status=status, is_live=False, viewer=None, path="", title=title, says=says, retries=retries
    )
