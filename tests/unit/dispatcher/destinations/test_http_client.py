"""One request, whatever the other end does: what it was sent, and how its reply is classified."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from dispatcher.destinations import http_client
from dispatcher.destinations.base import Outcome, Response
from dispatcher.destinations.http_client import MAX_REPLY, Client
from tests.support.waiting import until

EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


class Server:
    """Replies to each request with the next of `answers` (None: never), and keeps what it received by connection."""

    def __init__(self, *answers):
        self.answers = iter(answers)
        self.connections = []
        self.writers = []
        self.gone = 0

    async def serve(self, reader, writer):
        requests = []
        self.connections.append(requests)
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = dict(line.split(": ") for line in lines[1:-2])
                requests.append((lines[0], headers, await reader.readexactly(int(headers["Content-Length"]))))
                answer = next(self.answers)
                if answer is None:
                    await reader.read()
                writer.write(answer or b"")
                if b"close" in (answer or b"close"):
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            self.gone += 1
            writer.close()

    @asynccontextmanager
    async def client(self, *, seconds=10.0, **named):
        """Return a client of this server."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        client = Client(
            f"http://127.0.0.1:{self.port}/mp/collect",
            timeout=timedelta(seconds=seconds),
            **named,
        )
        try:
            yield client
        finally:
            await client.close()
            server.close()


def classify(reply):
    """Return the reply itself as a response."""
    return Response(Outcome.DELIVERED, reply.body.decode(), reply.status, trace=reply.headers.get("X-Trace"))


async def test_a_request_has_its_address_headers_and_body_and_connections_are_kept():
    server = Server(EMPTY, b"HTTP/1.1 200 OK\r\nX-Trace: t\r\nContent-Length: 2\r\n\r\nok")
    async with server.client(headers={"Authorization": "Bearer x"}, query={"api_secret": "a b&c"}) as client:
        assert await client.post(b'{"a":1}', classify) == Response(Outcome.DELIVERED, "", 204)
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "ok", 200, trace="t")
        (((line, headers, body), (_, _, second)),) = server.connections
    assert line == "POST /mp/collect?api_secret=a+b%26c HTTP/1.1"
    assert (body, second) == (b'{"a":1}', b"{}")
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert (headers["Content-Type"], headers["Authorization"]) == ("application/json", "Bearer x")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhat",
        b"HTTP/1.1 104 Whatever\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhat",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n2\r\nat\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (len(gzip.compress(b"what")), gzip.compress(b"what")),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhat",
    ],
    ids=["after a hint", "after an unknown hint", "chunked", "compressed", "until it closes"],
)
async def test_a_reply_is_read_whatever_its_form(answer):
    server = Server(answer, answer)
    async with server.client() as client:
        for _ in range(2):
            assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "what", 200)
    assert len(server.connections) == (2 if b"close" in answer else 1)


async def test_a_reply_is_read_up_to_a_limit_and_the_rest_reaches_no_other_request():
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 300_000, EMPTY)
    async with server.client() as client:
        answer = await client.post(b"{}", classify)
        assert answer == Response(Outcome.DELIVERED, "x" * MAX_REPLY, 200)
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "ServerDisconnectedError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhalf", "ClientPayloadError"),
        (b"close the door\r\n\r\n", "response not understood"),
    ],
)
async def test_a_request_without_a_reply_is_uncertain(answer, reason):
    async with Server(answer).client() as client:
        assert await client.post(b"{}", classify) == Response(Outcome.UNCERTAIN, reason)


async def test_a_late_reply_is_uncertain_and_its_connection_is_closed():
    server = Server(None, EMPTY)
    async with server.client(seconds=0.2) as client:
        assert await client.post(b"{}", classify) == Response(Outcome.UNCERTAIN, "timeout")
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
    assert len(server.connections) == 2


async def test_a_reply_that_does_not_end_in_time_is_uncertain():
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")
    async with server.client(seconds=0.2) as client:
        assert await client.post(b"{}", classify) == Response(Outcome.UNCERTAIN, "timeout")


async def test_a_slow_reply_does_not_affect_others():
    server = Server(None, EMPTY)
    async with server.client(seconds=0.5) as client:
        slow = asyncio.create_task(client.post(b"{}", classify))
        await until(lambda: server.connections and server.connections[0])
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
        assert await slow == Response(Outcome.UNCERTAIN, "timeout")
    assert len(server.connections) == 2


async def test_a_reply_that_cannot_be_classified_is_uncertain():
    async with Server(EMPTY).client() as client:
        assert await client.post(b"{}", lambda reply: reply.nothing) == Response(
            Outcome.UNCERTAIN, "response not understood"
        )


async def test_a_request_that_was_never_sent_is_transient():
    async with Server().client() as client:
        pass
    assert await client.post(b"{}", classify) == Response(Outcome.TRANSIENT, "ClientConnectorError")
    await client.close()


async def test_unsolicited_bytes_are_no_reply():
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    server = Server(EMPTY, EMPTY)
    async with server.client() as client:
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
        server.writers[0].write(late)
        await server.writers[0].drain()
        await asyncio.sleep(0.05)
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
    assert len(server.connections) == 2


async def test_a_connection_closed_meanwhile_is_reopened():
    server = Server(EMPTY, EMPTY)
    async with server.client() as client:
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
        server.writers[0].close()
        await asyncio.sleep(0.05)
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
    assert len(server.connections) == 2


async def test_an_idle_connection_is_closed(monkeypatch):
    monkeypatch.setattr(http_client, "KEPT_SECONDS", 0.05)
    server = Server(EMPTY)
    async with server.client(seconds=0.3) as client:
        assert await client.post(b"{}", classify) == Response(Outcome.DELIVERED, "", 204)
        await until(lambda: server.gone == 1)


async def test_a_connection_with_an_unsent_body_is_not_reused():
    answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    connections = []
    done = asyncio.Event()

    async def refuse(reader, writer):
        connections.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)  # before the body was read, which is larger than any buffer on the way
        await done.wait()
        writer.close()

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    client = Client(address, timeout=timedelta(seconds=10))
    for _ in range(2):
        assert await client.post(b"x" * 20_000_000, classify) == Response(Outcome.DELIVERED, "", 503)
    assert len(connections) == 2
    done.set()
    await client.close()
    listening.close()


async def test_a_cancelled_request_closes_its_connection():
    server = Server(None)
    async with server.client() as client:
        request = asyncio.create_task(client.post(b"{}", classify))
        while not (server.connections and server.connections[0]):
            await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        while not server.gone:
            await asyncio.sleep(0)
