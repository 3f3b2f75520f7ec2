"""A recipient of alerts: a real server on loopback that apprise sends to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Inbox:
    """The messages that arrived (title, text). `status` is the response to new ones; only with 200 do they arrive."""

    url: str = ""
    status: int = 200
    mail: list[tuple[str, str]] = field(default_factory=list)

    def titles(self) -> list[str]:
        """Return the titles of the messages."""
        return [title for title, _ in self.mail]

    async def receive(self, request: web.Request) -> web.Response:
        """Receive a message."""
        message = await request.json()
        if self.status == 200:
            self.mail.append((message["title"], message["message"]))
        return web.Response(status=self.status)


@asynccontextmanager
async def open_inbox() -> AsyncIterator[Inbox]:
    """Yield a listening inbox; its URL holds a secret."""
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/{tail:.*}", inbox.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    inbox.url = f"json://user:hush-hush@127.0.0.1:{runner.addresses[0][1]}/"
    yield inbox
    await runner.cleanup()
