"""One request of the console: who looks, what they sent, and their questions to the database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.console.access import Access, RefusedError, Viewer
from dispatcher.console.rendering import answer
from dispatcher.database.connections import Database, Transaction
from dispatcher.monitoring.quality import MetaScores
from dispatcher.request_headers import content_of

log = structlog.get_logger()

LIVE = "X-Outbox-Live"
"""The header with which a page asks for its live part alone."""
MAX_FORM = 16 * 1024
TRANSACTION_SECONDS = 10


class Console:
    """What all pages share. Its connections are its own, so that nobody who looks keeps a dispatcher waiting."""

    def __init__(self, database: Database, settings: Settings, config: Config) -> None:
        self.database = database
        self.settings = settings
        self.config = config
        self.access = Access(settings.console_token)
        self.scores: dict[str, tuple[float, MetaScores]] = {}
        """Meta's own scores by destination, and when they were asked for (monotonic seconds)."""


class ConsoleRequest:
    """One request. Also `dispatcher.database.connections.Queries`: a question is asked once, as somebody waits for the page."""

    def __init__(self, console: Console, request: web.Request, viewer: Viewer, form: Mapping[str, str]) -> None:
        self.console = console
        self.request = request
        self.viewer = viewer
        self.form = form

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query of `schema/queries`; give its rows, or raise one of `dispatcher.database.connections.AWAY`."""
        return await self.console.database.run_once(query, parameters)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that only reads."""
        return self.console.database.transaction(is_reading=True, seconds=TRANSACTION_SECONDS)

    def page(self, template: str, *, status: int = 200, **shown: Any) -> web.Response:
        """Give a page, or its live part alone where only that was asked for."""
        return answer(
            template,
            status=status,
            is_live=LIVE in self.request.headers,
            viewer=self.viewer,
            path=self.request.path,
            **shown,
        )

    def acted(self, action: str, **what: str | int | None) -> None:
        """Log an action: what was done, and in which session."""
        log.info("console action", action=action, session=self.viewer.session, **what)


async def read_form(request: web.Request) -> dict[str, str]:
    """Read a small form; of a field that comes twice, the last."""
    if content_of(request).media_type != "application/x-www-form-urlencoded":
        raise RefusedError(415, "Send a form (application/x-www-form-urlencoded).")
    if (request.content_length or 0) > MAX_FORM:
        raise RefusedError(413, "This is too much for a form.")
    body = await request.content.read(MAX_FORM + 1)
    while len(body) <= MAX_FORM and (more := await request.content.read(MAX_FORM + 1)):
        body += more
    if len(body) > MAX_FORM:
        raise RefusedError(413, "This is too much for a form.")
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise RefusedError(400, "This has too many fields for a form of ours.") from error
    return {name: value.replace("\0", "").strip() for name, value in pairs}
