"""One HTTP request to a destination, and what the network made of it. The body of an answer is judged elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from dispatcher.destinations import Answer, Outcome

MAX_REPLY = 64 * 1024  # no answer of either destination is longer than a few hundred bytes
CONNECTING = aiohttp.ClientTimeout(sock_connect=5)


class Reply(msgspec.Struct, frozen=True):
    """A whole answer: its number, headers, and body (cut at `MAX_REPLY`)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Sends bodies to one address; connections are kept.

    Connections and the reading of answers are aiohttp's. What its `ClientSession` does beside, anew for each request
    (redirects, cookies, proxies, a task that writes the body), is no use here, and costs three times as much as the rest.
    """

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
        self._seconds = timeout.total_seconds()
        self._concurrency = concurrency
        self._line: _Line | None = None

    async def post(self, body: bytes, judge: Callable[[Reply], Answer]) -> Answer:
        """Send `body`, and let `judge` say what the answer means; never raises for what the network does."""
        connection = None
        try:
            async with asyncio.timeout(self._seconds):
                if self._line is None:
                    self._line = _Line(self._url, self._headers, self._concurrency)
                connection = await self._line.connect()
                reply = await self._line.exchange(connection, body)
            return judge(reply)
        except Exception as error:  # noqa: BLE001 - an answer that nobody can judge is one that nobody understood
            if connection is None:  # nothing has left: trying again is safe everywhere
                return Answer(Outcome.TRANSIENT, _name(error))
            is_known = isinstance(error, aiohttp.ClientError | TimeoutError | ConnectionError)
            return Answer(Outcome.UNCERTAIN, _name(error) if is_known else "answer not understood")

    async def close(self) -> None:
        """Close the connections."""
        if self._line:
            await self._line.close()


class _Line:
    """The connections to one address, and what every request on them begins with."""

    def __init__(self, url: URL, headers: Mapping[str, str], concurrency: int) -> None:
        self._connector = aiohttp.TCPConnector(limit=concurrency)
        # Never sent itself: it says where connections lead, and which headers a request has.
        self._request = aiohttp.ClientRequest("POST", url, headers=headers, loop=asyncio.get_running_loop())
        lines = [f"{name}: {value}\r\n" for name, value in self._request.headers.items() if name != "Content-Length"]
        self._head = f"POST {url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}Content-Length: ".encode()

    async def connect(self) -> Connection:
        """Give a connection that is free and on which nothing has come unasked, or a new one."""
        while True:
            connection = await self._connector.connect(self._request, [], CONNECTING)
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()

    async def exchange(self, connection: Connection, body: bytes) -> Reply:
        """Send `body` and give the answer. The connection is kept if nothing is left over, on either way."""
        protocol, transport = connection.protocol, connection.transport
        is_over = False
        try:
            if protocol is None or transport is None:
                raise aiohttp.ServerDisconnectedError
            reply = await self._exchange(protocol, transport, body)
            is_over = not transport.get_write_buffer_size()
        finally:
            if is_over:
                connection.release()
            else:
                if transport:
                    transport.abort()  # what is not out yet stays here
                connection.close()
        return reply

    async def _exchange(self, protocol: ResponseHandler, transport: asyncio.Transport, body: bytes) -> Reply:
        protocol.set_response_params(read_until_eof=True)
        transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        message, content = await protocol.read()
        while 100 <= message.code < 200 and message.code != 101:  # the answer is still to come
            message, content = await protocol.read()
        start = b""
        while len(start) < MAX_REPLY and not content.at_eof():
            start += await content.readany()
        return Reply(message.code, message.headers, start[:MAX_REPLY])

    async def close(self) -> None:
        """Close the connections."""
        await self._connector.close()
        await asyncio.sleep(0)


def _name(error: Any) -> str:
    """Give the kind of an error; its text may hold the address, and in that a secret."""
    kind = type(error).__name__
    return "timeout" if isinstance(error, TimeoutError) else kind
