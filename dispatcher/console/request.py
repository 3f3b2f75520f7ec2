"""One request to the console: its viewer, its form, and its database queries."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.console.access import Access, AccessRefusedError, Viewer
from dispatcher.console.rendering import render
from dispatcher.database.connections import Database, Transaction
from dispatcher.destinations.match_quality import OwnScores
from dispatcher.request_headers import content_of

log = structlog.get_logger()

LIVE = "X-Outbox-Live"
"""The header with which a page requests only its live part."""
MAX_FORM = 16 * 1024
"""Bytes."""
TRANSACTION_SECONDS = 10


class Console:
    """What all pages share. It has its own database connections, so that viewers never keep a dispatcher waiting."""

    def __init__(self, database: Database, settings: Settings, config: Config) -> None:
        self.database = database
        self.settings = settings
        self.config = config
        self.access = Access(settings.console_token)
        self.scores: dict[str, tuple[float, OwnScores]] = {}
        """The destinations' own scores by destination, with the time when they were fetched (monotonic seconds)."""


class ConsoleRequest:
    """One request. Implements `dispatcher.database.connections.Queries` without retries, because a viewer is waiting."""

    def __init__(self, console: Console, http: web.Request, viewer: Viewer, form: Mapping[str, str]) -> None:
        self.console = console
        self.http = http
        self.viewer = viewer
        self.form = form

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Run a query of `schema/queries` and return its rows. Raise one of `DATABASE_UNAVAILABLE`."""
        return await self.console.database.run_once(query, parameters)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a read-only transaction."""
        return self.console.database.transaction(is_reading=True, seconds=TRANSACTION_SECONDS)

    def page(self, template: str, *, status: int = 200, **context: Any) -> web.Response:
        """Return a page, or only its live part if the request asks for that."""
        return render(
            template,
            status=status,
            is_live=LIVE in self.http.headers,
            viewer=self.viewer,
            path=self.http.path,
            **context,
        )

    def log_action(self, action: str, **details: str | int | None) -> None:
        """Log an action with its details and the session."""
        log.info("console action", action=action, session=self.viewer.session, **details)


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form; the last value of a repeated field. Raise `AccessRefusedError` if it cannot be read."""
    if content_of(request).media_type != "application/x-www-form-urlencoded":
        raise AccessRefusedError(415, "Send a form (application/x-www-form-urlencoded).")
    if (request.content_length or 0) > MAX_FORM:
        raise AccessRefusedError(413, "This form is too large.")
    body = await request.content.read(MAX_FORM + 1)
    while len(body) <= MAX_FORM and (more := await request.content.read(MAX_FORM + 1)):
        body += more
    if len(body) > MAX_FORM:
        raise AccessRefusedError(413, "This form is too large.")
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise AccessRefusedError(400, "This form has too many fields.") from error
    return {name: value.replace("\0", "").strip() for name, value in pairs}
