"""A running `outbox serve` and its client, for tests: `async with serving(url, config) as site: await site.post(…)`."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psycopg

from dispatcher import serve
from dispatcher.config import Config
from dispatcher.config.settings import Settings

OURS = "https://www.example.com"
EVIL = "https://evil.example"
LEAD = {"email": "ada@example.com", "first_name": "Ada", "phone": "+44 20 7946 0958"}


def multipart(*fields: Any) -> aiohttp.FormData:
    """Return a multipart form of (name, value) pairs, and of mappings with aiohttp's options for a field."""
    form = aiohttp.FormData()
    for field in fields:
        form.add_field(**field) if isinstance(field, dict) else form.add_field(*field)
    form._is_multipart = True
    return form


class Site:
    """A client without a cookie jar; `http` is aiohttp's session."""

    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self.http = http
        self.address = address

    async def post(self, form: str, **sent: Any) -> tuple[int, Any, Any]:
        """Send a form; return status, headers and the parsed response."""
        async with self.http.post(f"/forms/{form}", allow_redirects=False, **sent) as answer:
            text = await answer.text()
            return answer.status, answer.headers, json.loads(text) if text else None

    async def get(self, path: str) -> tuple[int, Any]:
        """Return status and content of a JSON page."""
        async with self.http.get(path) as answer:
            return answer.status, await answer.json()

    async def raw(self, request: bytes) -> bytes:
        """Send raw bytes; return the response until the server closes the connection."""
        host, port = self.address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def serving(database_url: str, config: Config | None = None, **settings: Any):
    """Run a server; yield its client."""
    async with (
        serve.running(Settings(**settings), database_url, config or Config()) as address,
        aiohttp.ClientSession(address, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield Site(http, address)


class Log:
    """The recorded events."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def events(self, *columns: str) -> list[Any]:
        """Return the columns of all events in order; for one column (by default `event_id`), a list of its values."""
        rows = self.connection.execute(
            f"SELECT {', '.join(columns or ('event_id',))} FROM outbox.event ORDER BY id"
        ).fetchall()
        return [row[0] for row in rows] if len(columns) < 2 else rows
