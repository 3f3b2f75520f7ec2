"""A destination that accepts everything, in its own process: it counts events, and does nothing else that costs time.

    POST /{version}/{pixel}/events   Meta's response, after the requested latency
    POST /mp/collect                 GA4's response, likewise
    GET  /sink/begin?latency=0.1&tracing=1   reset the counts; from now on respond after so many seconds
    GET  /sink/progress              by destination: requests and events so far
    GET  /sink/reached?destination=meta&events=1000   when (Unix seconds) so many had arrived; null: not yet
    GET  /sink/count?destination=meta&at=1790000000.5 how many had arrived by then
    GET  /sink/arrivals              event ids and their times of arrival, if `tracing` was requested

It implements only the HTTP/1.1 that a well-behaved client needs (keep-alive, Content-Length), so that it is never the
bottleneck.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

try:
    from uvloop import run  # installed with the compared systems
except ModuleNotFoundError:
    from asyncio import run

EVENT_ID = re.compile(rb'"event_id":"([^"]+)"')


class Counter:
    """The number of events that one destination has received, and when. `mark` occurs exactly once in each event."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self.times = array("d")
        self.counts = array("q", [0])
        self.arrivals: list[tuple[str, float]] = []

    def take(self, body: bytes, *, tracing: bool) -> int:
        """Count the events of a request."""
        events = body.count(self._mark)
        now = time.time()
        self.times.append(now)
        self.counts.append(self.counts[-1] + events)
        if tracing:
            self.arrivals += [(found.decode(), now) for found in EVENT_ID.findall(body)]
        return events

    def reached(self, events: int) -> float | None:
        """Return when so many events had arrived."""
        place = bisect_left(self.counts, events)
        return self.times[max(place - 1, 0)] if place < len(self.counts) and self.times else None

    def count(self, at: float) -> int:
        """Return how many events had arrived by then."""
        return self.counts[bisect_right(self.times, at)]


class Sink:
    """Both destinations, and the queries about them."""

    def __init__(self) -> None:
        self._begin({})

    def _begin(self, query: dict[str, str]) -> None:
        self.latency = float(query.get("latency", "0"))
        self.tracing = "tracing" in query
        self.counters = {"meta": Counter(b'"event_name"'), "ga4": Counter(b'"timestamp_micros"')}

    def take(self, path: bytes, body: bytes) -> bytes:
        """Count a destination's request when it is due to be answered; return the response."""
        if path.startswith(b"/mp/collect"):
            self.counters["ga4"].take(body, tracing=self.tracing)
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        events = self.counters["meta"].take(body, tracing=self.tracing)
        return _answer(b'{"events_received":%d,"messages":[],"fbtrace_id":"A0"}' % events)

    def answer(self, path: str) -> Any:
        """Answer a query about what has arrived."""
        address = urlsplit(path)
        query = dict(parse_qsl(address.query))
        match address.path:
            case "/sink/begin":
                return self._begin(query)
            case "/sink/progress":
                return {name: [len(one.times), one.counts[-1]] for name, one in self.counters.items()}
            case "/sink/reached":
                return self.counters[query["destination"]].reached(int(query["events"]))
            case "/sink/count":
                return self.counters[query["destination"]].count(float(query["at"]))
            case "/sink/arrivals":
                return {name: one.arrivals for name, one in self.counters.items()}
        raise ValueError(path)


class Connection(asyncio.Protocol):
    """One connection; its requests are answered one after the other."""

    def __init__(self, sink: Sink, later: Callable[..., Any]) -> None:
        self._sink = sink
        self._later = later
        self._transport: Any = None
        self._buffer = bytearray()
        self._need = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= self._need and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _length(bytes(self._buffer[:end]))
            if len(self._buffer) < whole:
                self._need = whole
                return
            head, body = bytes(self._buffer[:end]), bytes(self._buffer[end + 4 : whole])
            del self._buffer[:whole]
            self._need = 0
            self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path.startswith(b"/sink/"):
            self._transport.write(_answer(json.dumps(self._sink.answer(path.decode())).encode()))
        elif self._sink.latency:
            self._later(self._sink.latency, self._take, path, body)
        else:
            self._take(path, body)

    def _take(self, path: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._sink.take(path, body))


def _length(head: bytes) -> int:
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def main() -> None:
    """Listen on a free port of loopback, print it, and serve until standard input closes."""
    loop = asyncio.get_running_loop()
    sink = Sink()
    server = await loop.create_server(lambda: Connection(sink, loop.call_later), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    # The parent process holds the other end: when it ends, for whatever reason, this process ends too.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    run(main())
