"""One HTTP request to a destination, and what the network made of it. The body of an answer is judged elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from dispatcher.destinations import Answer, Outcome

MAX_REPLY = 64 * 1024  # no answer of either destination is longer than a few hundred bytes

NOT_SENT = (
    aiohttp.ClientConnectorError,  # refused, no route, no name, TLS
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
"""What says that the request never left: trying again is safe everywhere."""


class Reply(msgspec.Struct, frozen=True):
    """A whole answer: its number, headers, and body (cut at `MAX_REPLY`)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Sends bodies to one address; connections are kept."""

    def __init__(
        self,
        url: str,
        *,
        timeout: timedelta,
        concurrency: int,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._url = URL(url).with_query(query) if query else URL(url)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=5)
        self._concurrency = concurrency
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, judge: Callable[[Reply], Answer]) -> Answer:
        """Send `body`, and let `judge` say what the answer means; never raises for what the network does."""
        try:
            async with self._connected().post(
                self._url, data=body, headers=self._headers, allow_redirects=False
            ) as reply:
                return judge(Reply(reply.status, reply.headers, await _start_of(reply)))
        except NOT_SENT as error:
            return Answer(Outcome.TRANSIENT, _name(error))
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            return Answer(Outcome.UNCERTAIN, _name(error))
        except Exception:  # noqa: BLE001 - an answer that nobody can judge is one that nobody understood
            return Answer(Outcome.UNCERTAIN, "answer not understood")

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
            await asyncio.sleep(0)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=self._concurrency),
                cookie_jar=aiohttp.DummyCookieJar(),  # nobody here is a browser
                # Nothing but our own settings decides where conversions go.
                trust_env=False,
            )
        return self._session


async def _start_of(reply: aiohttp.ClientResponse) -> bytes:
    start = bytearray()
    async for chunk in reply.content.iter_any():
        start += chunk
        if len(start) >= MAX_REPLY:
            break
    return bytes(start[:MAX_REPLY])


def _name(error: Any) -> str:
    """Give the kind of an error; its text may hold the address, and in that a secret."""
    kind = type(error).__name__
    return "timeout" if isinstance(error, TimeoutError) else kind
