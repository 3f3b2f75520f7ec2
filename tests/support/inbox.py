"""Somebody who is alerted: a real server on loopback, spoken to by apprise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Inbox:
    """What arrived (title, text), and with which status it is answered; only what is taken (200) arrives."""

    url: str = ""
    status: int = 200
    mail: list[tuple[str, str]] = field(default_factory=list)

    def titles(self) -> list[str]:
        """Return the titles of what arrived."""
        return [title for title, _ in self.mail]

    async def take(self, request: web.Request) -> web.Response:
        """Take a message."""
        told = await request.json()
        if self.status == 200:
            self.mail.append((told["title"], told["message"]))
        return web.Response(status=self.status)


@asynccontextmanager
async def open_inbox() -> AsyncIterator[Inbox]:
    """Return an inbox that listens; its address holds a secret."""
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/{tail:.*}", inbox.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    inbox.url = f"json://user:hush-hush@127.0.0.1:{runner.addresses[0][1]}/"
    yield inbox
    await runner.cleanup()
