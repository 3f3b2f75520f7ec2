"""All parts of the demo together: database, sandbox, dispatcher, site; started in this order, stopped in reverse.

Each run has its own database on the embedded server, so that two concurrent demos do not deliver each other's
conversions, and each begins empty.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from dispatcher import admin_http, daemon
from dispatcher import sandbox as sandbox_server
from dispatcher.config import Account, Config
from dispatcher.config.models import default_steps
from dispatcher.config.settings import Settings
from dispatcher.database import embedded_postgres, migrations
from dispatcher.database.connections import scalars
from dispatcher.demo import site
from dispatcher.sandbox import Accepted, Sandbox
from dispatcher.sandbox.stand_in import stand_ins

HOME = Path(".outbox/demo")
SITE_PORT = 8080
SANDBOX_PORT = 8090
CONSOLE_PORT = 8070
REGION = "CY"
"""The region of phone numbers without a country code (`OUTBOX_PHONE_REGION`)."""

_PREFIX = "demo_"
_LOCK = 0x64656D6F  # "demo": an advisory lock of our own


class DemoError(RuntimeError):
    """The demo cannot run as requested; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A running demo. `dispatcher` ends only when it is stopped."""

    site: str
    console: str
    sandbox: Sandbox
    settings: Settings
    database_url: str
    dispatcher: asyncio.Task[None] = field(repr=False)


def every_kind() -> Config:
    """Return a configuration with one destination of each kind, and the default funnel."""
    accounts = tuple(Account(name=name, kind=name) for name in stand_ins())
    return Config(accounts=accounts, steps=default_steps(stand_ins()))


@asynccontextmanager
async def running(
    home: Path = HOME,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    sandbox_port: int | None = None,
    console_port: int | None = None,
) -> AsyncIterator[Demo]:
    """Run everything in this process while the block lasts. Ports: None is the default, or a free one; 0 any."""
    port = choose_port(host, port, SITE_PORT, "--port")
    sandbox_port = choose_port(host, sandbox_port, SANDBOX_PORT, "--sandbox-port")
    console_port = choose_port(host, console_port, CONSOLE_PORT, "--console-port")
    config = every_kind()
    accepted = {name: Accepted(secret=f"demo-{each.kind.secret}-{token_hex(12)}") for name, each in stand_ins().items()}
    with embedded_postgres.running(home) as server_url, _database(server_url) as database_url:
        migrations.upgrade(database_url, config=config)
        async with sandbox_server.running(host, sandbox_port, accepted=accepted) as sandbox:
            environment = {
                "OUTBOX_PHONE_REGION": REGION,
                "OUTBOX_CONSOLE_TOKEN": os.environ.get("OUTBOX_CONSOLE_TOKEN", ""),
            }
            for name, each in stand_ins().items():
                environment |= each.environment(sandbox.url, accepted[name].secret or "")
            settings = Settings.from_environment(environment)
            async with (
                daemon.running(settings, database_url, config) as dispatcher,
                admin_http.listening(dispatcher, host, console_port) as console,
                _dispatching(dispatcher) as task,
                site.running(
                    database_url, settings, host=host, port=port, sandbox_port=urlsplit(sandbox.url).port or 0
                ) as address,
            ):
                yield Demo(
                    site=address,
                    console=console,
                    sandbox=sandbox,
                    settings=settings,
                    database_url=database_url,
                    dispatcher=task,
                )


async def serve(
    *,
    host: str,
    port: int | None,
    sandbox_port: int | None,
    console_port: int | None,
    announce: Callable[[Demo], None],
    home: Path = HOME,
) -> None:
    """Run until a signal stops it."""
    stop = stop_on_signals()
    async with running(home, host=host, port=port, sandbox_port=sandbox_port, console_port=console_port) as demo:
        announce(demo)
        await until(stop, demo.dispatcher)


def stop_on_signals() -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM or a closed terminal sets; from now on none of them ends the process.

    A signal during the start of the database, which blocks, takes effect as soon as that is done, and repeated signals
    do not interrupt the shutdown.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop is closed, and the process is about to end
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)
    return stop


async def until(stop: asyncio.Event, *tasks: asyncio.Task[Any]) -> None:
    """Wait until `stop` is set or one of the tasks ends."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()


def choose_port(host: str, requested: int | None, default: int, option: str) -> int:
    """Return the requested port, else the default, or 0 (any free one) if the default is taken."""
    port = default if requested is None else requested
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return port
    except (OSError, OverflowError) as error:
        if requested is None and getattr(error, "errno", None) == errno.EADDRINUSE:
            return 0
        raise DemoError(
            f"cannot listen on {host}, port {port}; choose another with {option}, or another --host"
        ) from error


@asynccontextmanager
async def _dispatching(dispatcher: daemon.Daemon) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(dispatcher.run())
    try:
        yield task
    finally:
        dispatcher.stop()
        await task


@contextmanager
def _database(server_url: str) -> Iterator[str]:
    """Yield the URL of a new database and drop it at the end. First drop the databases of demos that were killed."""
    name = _PREFIX + token_hex(6)
    url = f"{server_url.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(server_url, autocommit=True) as server:
        # Under the lock, because a database counts as left over only while nobody is connected to it.
        server.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        for leftover in _leftovers(server):
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(leftover)))
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with psycopg.connect(url, autocommit=True):
                server.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
                yield url
        finally:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _leftovers(server: psycopg.Connection) -> list[str]:
    return scalars(
        server.execute(
            """
        SELECT datname FROM pg_database
        WHERE starts_with(datname, %s) AND NOT EXISTS (
            SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname
        )
        """,
            (_PREFIX,),
        )
    )
