"""A running console and its client, for tests: `async with serving(url, settings, token=…) as site: await site.get("/")`."""

from __future__ import annotations

import html
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp

from dispatcher import serve
from dispatcher.config import Config
from dispatcher.config.settings import Secret, Settings

TOKEN = "a-token-for-tests"
TAG = re.compile(r"<[^>]+>")


class Page:
    """A response: its status and headers, its HTML, and its visible text."""

    def __init__(self, answer: aiohttp.ClientResponse, source: str) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.cookies = answer.cookies
        self.html = source
        self.text = " ".join(html.unescape(TAG.sub(" ", source)).split())


class Site:
    """A client with cookies that behaves like a browser on one of the console's pages."""

    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self.http = http
        self.address = address

    async def get(self, path: str, **headers: str) -> Page:
        """Return a page."""
        async with self.http.get(path, headers=headers, allow_redirects=False) as answer:
            return Page(answer, await answer.text())

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Page:
        """Send a form unchanged."""
        sent = {"Origin": self.address, **headers}
        async with self.http.post(path, data=form, headers=sent, allow_redirects=False) as answer:
            return Page(answer, await answer.text())

    async def sign_in(self, token: str = TOKEN) -> Page:
        """Sign in."""
        return await self.post("/sign-in", {"token": token, "next": "/events"})

    async def act(self, path: str, form: dict[str, str], **headers: str) -> Page:
        """Send a form with the CSRF token that the console's pages add."""
        return await self.post(path, {"csrf": await self.csrf(), **form}, **headers)

    async def csrf(self) -> str:
        """Return the CSRF token of this session."""
        found = re.search(r'name="csrf" value="(\w+)"', (await self.get("/people")).html)
        return found[1] if found else ""


@asynccontextmanager
async def serving(
    database_url: str, settings: Settings, *, token: str = "", config: Config | None = None, **changes: Any
):
    """Run `outbox serve` with the console; yield its client."""
    settings = replace(settings, console_token=Secret(token), **changes)
    async with (
        serve.running(settings, database_url, config or Config()) as address,
        aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        yield Site(http, address)
