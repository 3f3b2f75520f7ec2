"""One HTTP request to a destination, and what the network made of it. The body of an answer is judged elsewhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from dispatcher.destinations.base import Outcome, Response

MAX_REPLY = 64 * 1024  # no answer of either destination is longer than a few hundred bytes
CONNECT_SECONDS = 5.0
KEPT_SECONDS = 15.0
"""How long a connection is kept that nobody uses: less than any server does, which might close it just as it is used."""
LOOKS = 30
"""How many times, while an answer may take, it is looked whether one takes longer."""


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
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._url = URL(url).with_query(query) if query else URL(url)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._seconds = timeout.total_seconds()
        self._line: _Line | None = None

    async def post(self, body: bytes, judge: Callable[[Reply], Response]) -> Response:
        """Send `body`, and let `judge` say what the answer means; never raises for what the network does."""
        connection = None
        try:
            if self._line is None:
                self._line = _Line(self._url, self._headers, self._seconds)
            connection = self._line.free() or await self._line.connect()
            return judge(await self._line.exchange(connection, body))
        except Exception as error:  # noqa: BLE001 - an answer that nobody can judge is one that nobody understood
            if connection is None:  # nothing has left: trying again is safe everywhere
                return Response(Outcome.TRANSIENT, _name(error))
            is_known = isinstance(error, aiohttp.ClientError | TimeoutError | ConnectionError)
            return Response(Outcome.UNCERTAIN, _name(error) if is_known else "answer not understood")

    async def close(self) -> None:
        """Close the connections."""
        if self._line:
            await self._line.close()


class _Line:
    """The connections to one address, and what every request on them begins with.

    An answer may take `seconds`. One timer looks after all requests: one each costs as much as reading the answer does.
    """

    def __init__(self, url: URL, headers: Mapping[str, str], seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._connector = aiohttp.TCPConnector(limit=0)  # as many as there are requests beside each other
        self._connecting = aiohttp.ClientTimeout(connect=seconds, sock_connect=min(CONNECT_SECONDS, seconds))
        # Never sent itself: it says where connections lead, and which headers a request has.
        self._request = aiohttp.ClientRequest("POST", url, headers=headers, loop=self._loop)
        lines = [f"{name}: {value}\r\n" for name, value in self._request.headers.items() if name != "Content-Length"]
        self._head = f"POST {url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}Content-Length: ".encode()
        self._free: deque[tuple[Connection, float]] = deque()
        self._asked: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def free(self) -> Connection | None:
        """Give the free connection that was used last, unless something has come on it unasked."""
        while self._free:
            connection, since = self._free.pop()
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close and self._loop.time() - since < KEPT_SECONDS:
                return connection
            connection.close()
        return None

    async def connect(self) -> Connection:
        """Give a new connection."""
        return await self._connector.connect(self._request, [], self._connecting)

    async def exchange(self, connection: Connection, body: bytes) -> Reply:
        """Send `body` and give the answer. The connection is kept if nothing is left over, on either way."""
        protocol, transport = connection.protocol, connection.transport
        is_over = False
        self._asked[connection] = since = self._loop.time()
        self._timer = self._timer or self._loop.call_later(self._seconds / LOOKS, self._look)
        try:
            if protocol is None or transport is None:
                raise aiohttp.ServerDisconnectedError
            # A parser of its own: what came unasked and in part must not become a part of this answer.
            protocol.set_response_params(read_until_eof=True)
            transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            reply = await self._answer(protocol, until=since + self._seconds)
            is_over = not (protocol.should_close or transport.get_write_buffer_size())
        finally:
            del self._asked[connection]
            if is_over:
                self._free.append((connection, self._loop.time()))
            else:
                if transport:
                    transport.abort()  # what is not out yet stays here
                connection.close()
        return reply

    async def _answer(self, protocol: ResponseHandler, *, until: float) -> Reply:
        message, content = await protocol.read()
        while 100 <= message.code < 200 and message.code != 101:  # the answer is still to come
            message, content = await protocol.read()
        start = b""
        if not content.at_eof():
            async with asyncio.timeout_at(until):
                while len(start) < MAX_REPLY and not content.at_eof():
                    start += await content.readany()
        return Reply(message.code, message.headers, start[:MAX_REPLY])

    def _look(self) -> None:
        """Let the requests fail that take too long; close what nobody has used for long."""
        now = self._loop.time()
        for connection, since in self._asked.items():
            if now - since < self._seconds:
                break  # and so do all after it
            if connection.protocol is not None:
                connection.protocol.set_exception(TimeoutError())
        while self._free and now - self._free[0][1] >= KEPT_SECONDS:
            self._free.popleft()[0].close()
        self._timer = self._loop.call_later(self._seconds / LOOKS, self._look) if self._asked or self._free else None

    async def close(self) -> None:
        """Close the connections."""
        if self._timer:
            self._timer.cancel()
        while self._free:
            self._free.pop()[0].close()
        await self._connector.close()
        await asyncio.sleep(0)


def _name(error: Any) -> str:
    """Give the kind of an error; its text may hold the address, and in that a secret."""
    kind = type(error).__name__
    return "timeout" if isinstance(error, TimeoutError) else kind
