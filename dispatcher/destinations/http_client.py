"""One HTTP request to a destination, and its outcome on the network. Other modules interpret the body of the reply."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from dispatcher.destinations.base import Outcome, Reply, Response

MAX_REPLY = 64 * 1024  # no destination's reply is longer than a few hundred bytes
CONNECT_SECONDS = 5.0
KEPT_SECONDS = 15.0
"""How long an idle connection is kept: shorter than any server keeps it, or it could be closed just as it is used."""
CHECKS = 30
"""How many times within the timeout overdue requests are looked for."""


class Client:
    """Sends bodies to one address; connections are kept open.

    aiohttp makes the connections and reads the replies. The rest of its `ClientSession`, which runs for each request
    (redirects, cookies, proxies, a task that writes the body), is of no use here and costs three times as much.
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
        self._pool: _Pool | None = None

    async def post(self, body: bytes, classify: Callable[[Reply], Response]) -> Response:
        """Send `body` and return what `classify` makes of the reply; never raise for what the network does."""
        connection = None
        try:
            if self._pool is None:
                self._pool = _Pool(self._url, self._headers, self._seconds)
            connection = self._pool.free() or await self._pool.connect()
            return classify(await self._pool.exchange(connection, body))
        except Exception as error:  # noqa: BLE001 - a reply that cannot be classified was not understood
            if connection is None:  # nothing was sent: a retry is safe everywhere
                return Response(Outcome.TRANSIENT, _name(error))
            is_known = isinstance(error, aiohttp.ClientError | TimeoutError | ConnectionError)
            return Response(Outcome.UNCERTAIN, _name(error) if is_known else "response not understood")

    async def close(self) -> None:
        """Close the connections."""
        if self._pool:
            await self._pool.close()


class _Pool:
    """The connections to one address, and the first lines of every request on them.

    A reply may take `seconds`. One timer watches all requests: one timer each would cost as much as reading the reply.
    """

    def __init__(self, url: URL, headers: Mapping[str, str], seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._connector = aiohttp.TCPConnector(limit=0)  # as many as there are concurrent requests
        self._connecting = aiohttp.ClientTimeout(connect=seconds, sock_connect=min(CONNECT_SECONDS, seconds))
        # Never sent itself: it holds where connections go and which headers a request has.
        self._request = aiohttp.ClientRequest("POST", url, headers=headers, loop=self._loop)
        lines = [f"{name}: {value}\r\n" for name, value in self._request.headers.items() if name != "Content-Length"]
        self._head = f"POST {url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}Content-Length: ".encode()
        self._free: deque[tuple[Connection, float]] = deque()
        self._in_flight: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def free(self) -> Connection | None:
        """Return the free connection that was used last and received nothing since, or None."""
        while self._free:
            connection, since = self._free.pop()
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close and self._loop.time() - since < KEPT_SECONDS:
                return connection
            connection.close()
        return None

    async def connect(self) -> Connection:
        """Return a new connection."""
        return await self._connector.connect(self._request, [], self._connecting)

    async def exchange(self, connection: Connection, body: bytes) -> Reply:
        """Send `body` and return the reply. The connection is kept if no bytes are left over in either direction."""
        protocol, transport = connection.protocol, connection.transport
        is_reusable = False
        self._in_flight[connection] = since = self._loop.time()
        self._timer = self._timer or self._loop.call_later(self._seconds / CHECKS, self._check)
        try:
            if protocol is None or transport is None:
                raise aiohttp.ServerDisconnectedError
            # A fresh parser: stray bytes from before must not become part of this reply.
            protocol.set_response_params(read_until_eof=True)
            transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            reply = await self._read(protocol, until=since + self._seconds)
            is_reusable = not (protocol.should_close or transport.get_write_buffer_size())
        finally:
            del self._in_flight[connection]
            if is_reusable:
                self._free.append((connection, self._loop.time()))
            else:
                if transport:
                    transport.abort()  # drop what is not sent yet
                connection.close()
        return reply

    async def _read(self, protocol: ResponseHandler, *, until: float) -> Reply:
        message, content = await protocol.read()
        while 100 <= message.code < 200 and message.code != 101:  # the final reply is still to come
            message, content = await protocol.read()
        start = b""
        if not content.at_eof():
            async with asyncio.timeout_at(until):
                while len(start) < MAX_REPLY and not content.at_eof():
                    start += await content.readany()
        return Reply(message.code, message.headers, start[:MAX_REPLY])

    def _check(self) -> None:
        """Fail the requests that take too long; close connections that were idle for long."""
        now = self._loop.time()
        for connection, since in self._in_flight.items():
            if now - since < self._seconds:
                break  # so are all after it
            if connection.protocol is not None:
                connection.protocol.set_exception(TimeoutError())
        while self._free and now - self._free[0][1] >= KEPT_SECONDS:
            self._free.popleft()[0].close()
        self._timer = (
            self._loop.call_later(self._seconds / CHECKS, self._check) if self._in_flight or self._free else None
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._timer:
            self._timer.cancel()
        while self._free:
            self._free.pop()[0].close()
        await self._connector.close()
        await asyncio.sleep(0)


def _name(error: Any) -> str:
    """Return the name of an error's type; its text may contain the address, and with it a secret."""
    kind = type(error).__name__
    return "timeout" if isinstance(error, TimeoutError) else kind
