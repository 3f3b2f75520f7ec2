"""Real HTTP servers in threads of this process, on loopback, over IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any

import uvicorn
from aiohttp import web
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.support.waiting import wait_until

HOSTS = ("127.0.0.1", "::1")
Ports = dict[str, int]


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None: ...


@contextmanager
def wsgi(app: Any) -> Iterator[Ports]:
    """Serve a WSGI application with Werkzeug."""
    with ExitStack() as stack:
        ports = {}
        for host in HOSTS:
            server = make_server(host, 0, app, threaded=True, request_handler=_Quiet)
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            ports[host] = server.server_port
        yield ports


@contextmanager
def asgi(app: Any, **config: Any) -> Iterator[Ports]:
    """Serve an ASGI application with uvicorn."""
    sockets = [_listening(host) for host in HOSTS]
    with _uvicorn(app, sockets, config):
        yield {host: sock.getsockname()[1] for host, sock in zip(HOSTS, sockets, strict=True)}


@contextmanager
def asgi_on_unix(app: Any, path: str) -> Iterator[None]:
    """Serve an ASGI application with uvicorn, on a Unix socket."""
    with _uvicorn(app, None, {"uds": path}):
        yield


@contextmanager
def _uvicorn(app: Any, sockets: list[socket.socket] | None, config: dict[str, Any]) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none", **config))
    thread = Thread(target=server.run, args=(sockets,))
    thread.start()
    wait_until(lambda: server.started)
    yield
    server.should_exit = True
    thread.join()


@contextmanager
def aiohttp(app: web.Application, path: str | None = None) -> Iterator[Ports]:
    """Serve an aiohttp application, on a Unix socket if `path` is given."""
    sockets = [] if path else [_listening(host) for host in HOSTS]

    async def start() -> Callable[[], Awaitable[None]]:
        runner = web.AppRunner(app)
        await runner.setup()
        sites = [web.UnixSite(runner, path)] if path else [web.SockSite(runner, sock) for sock in sockets]
        for site in sites:
            await site.start()
        return runner.cleanup

    with _loop(start):
        yield {host: sock.getsockname()[1] for host, sock in zip(HOSTS, sockets, strict=False)}


@contextmanager
def _loop(start: Callable[[], Awaitable[Callable[[], Awaitable[None]]]]) -> Iterator[None]:
    loop, ready = asyncio.new_event_loop(), Event()

    async def run() -> None:
        stop = await start()
        ready.set()
        await stopped.wait()
        await stop()

    stopped = asyncio.Event()
    thread = Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(20)
    yield
    loop.call_soon_threadsafe(stopped.set)
    thread.join()
    loop.close()


def _listening(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, 0))
    return sock
