"""The sandbox as a server: its routes, start and shutdown."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import Any, TypedDict, Unpack

from aiohttp import web

from dispatcher.request_headers import bounded_headers
from dispatcher.sandbox import ledger_api, page, wire
from dispatcher.sandbox.faults import Faults
from dispatcher.sandbox.ledger import Ledger
from dispatcher.sandbox.stand_in import stand_ins
from dispatcher.sandbox.state import SANDBOX, Accepted, Sandbox

__all__ = ["SandboxOptions", "create_app", "running", "serve"]

SHUTDOWN_SECONDS = 2


class SandboxOptions(TypedDict, total=False):
    """The options of `create_app`, `running` and `serve`."""

    clock: Callable[[], float]
    accepted: Mapping[str, Accepted]
    keep: int


def create_app(
    *,
    clock: Callable[[], float] = time.time,
    accepted: Mapping[str, Accepted] = MappingProxyType({}),
    keep: int = 10_000,
) -> web.Application:
    """Return the application. `clock` returns Unix seconds; `keep` is the number of events whose payload is kept.

    `accepted`: what a destination accepts, by its kind; one that is not in it accepts any account and any secret.
    """
    app = web.Application(middlewares=[bounded_headers], client_max_size=wire.MAX_BODY)
    app[SANDBOX] = Sandbox(
        clock,
        Ledger(keep, stand_ins()),
        {name: accepted.get(name, Accepted()) for name in stand_ins()},
        {name: Faults(each.faults) for name, each in stand_ins().items()},
    )
    page.add_routes(app)
    ledger_api.add_routes(app)
    for each in stand_ins().values():
        each.add_routes(app)
    app.on_shutdown.append(_stop)
    return app


@asynccontextmanager
async def running(host: str = "127.0.0.1", port: int = 0, **options: Unpack[SandboxOptions]) -> AsyncIterator[Sandbox]:
    """Run a sandbox in this process while the block lasts. Port 0 is any free port; `.url` has the address."""
    app = create_app(**options)
    runner = web.AppRunner(app, access_log=None, logger=_logger(), shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        app[SANDBOX].url = _url(runner.addresses[0])
        yield app[SANDBOX]
    finally:
        await runner.cleanup()


async def serve(
    host: str = "127.0.0.1",
    port: int = 8090,
    *,
    announce: Callable[[str], None] | None = None,
    **options: Unpack[SandboxOptions],
) -> None:
    """Run until SIGTERM or SIGINT. `announce` is called once with the address; by default it is printed."""
    gc.set_threshold(50_000, 20, 20)  # a request of 1000 events is 15,000 live containers: collect rarely
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    async with running(host, port, **options) as sandbox:
        (announce or _print)(sandbox.url)
        await stop.wait()


def _print(url: str) -> None:
    sys.stdout.write(f"Sandbox of {' and '.join(each.kind.label for each in stand_ins().values())}: {url}\n")
    sys.stdout.flush()


async def _stop(app: web.Application) -> None:
    """Release the requests that a fault is holding, so that shutdown does not wait for them."""
    app[SANDBOX].stopping.set()


def _url(address: Any) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _logger() -> logging.Logger:
    """Return a logger for aiohttp that never shows a request line, which may hold a secret in its query."""
    logger = logging.getLogger("dispatcher.sandbox.http")
    if not logger.filters:
        logger.addFilter(_without_request_lines)
    return logger


def _without_request_lines(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None and record.exc_info[0].__module__.startswith("aiohttp."):
        record.msg, record.args, record.exc_info = "a request could not be read", (), None
    return True
