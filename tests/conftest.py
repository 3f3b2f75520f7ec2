"""Shared fixtures: one embedded PostgreSQL for the whole run (of a worker), a database of its own for each test that asks for one."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from dispatcher import sandbox as sandbox_server
from dispatcher.config.settings import Settings
from dispatcher.database import embedded_postgres, migrations
from dispatcher.database.connections import Database
from dispatcher.sandbox import Sandbox
from tests.support import processes
from tests.support.clock import Clock
from tests.support.ports import settled_port
from tests.support.spine import Spine
from tests.support.workers import pytest_collection_modifyitems, pytest_xdist_auto_num_workers  # noqa: F401 - hooks

TEMPLATE = "outbox_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[embedded_postgres.EmbeddedServer]:
    """A PostgreSQL server, without the syncing that only a crash of the machine would need."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-tests-"))
    folder.chmod(0o755)
    server = embedded_postgres.EmbeddedServer(
        folder,
        options={"fsync": "off", "max_connections": "200", "max_prepared_transactions": "0"},
        port=settled_port(),
    )
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(server: embedded_postgres.EmbeddedServer) -> str:
    """The name of a migrated database, to be copied."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    migrations.upgrade(_address(server, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def empty_database(server: embedded_postgres.EmbeddedServer) -> Iterator[str]:
    """The address of an empty database."""
    yield from _database(server, "template1")


@pytest.fixture
def database_url(server: embedded_postgres.EmbeddedServer, template: str) -> Iterator[str]:
    """The address of a migrated database."""
    yield from _database(server, template)


@pytest.fixture(scope="module")
def shared_database_url(server: embedded_postgres.EmbeddedServer, template: str) -> Iterator[str]:
    """The address of a migrated database that the tests of a module share, for those that leave nothing in it."""
    yield from _database(server, template)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The dispatcher's own connections."""
    async with Database.connect(database_url) as connected:
        yield connected


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A CRM's connection."""
    with psycopg.connect(database_url, autocommit=True) as connected:
        yield connected


@pytest.fixture
def clock(connection: psycopg.Connection) -> Clock:
    """The clock of database and sandbox, to be moved."""
    return Clock(connection)


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    """The stand-in for both destinations."""
    async with sandbox_server.running(clock=clock.now) as running:
        yield running


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    """Settings that point at the sandbox."""
    return Settings.from_environment(
        {
            "META_CAPI_TOKEN": "test-token",
            "META_CAPI_BASE_URL": sandbox.url,
            "GA4_API_SECRET": "test-secret",
            "GA4_MP_BASE_URL": sandbox.url,
            "OUTBOX_LEASE_SECONDS": "30",
        }
    )


@pytest.fixture
async def spine(
    database_url: str, settings: Settings, sandbox: Sandbox, connection: psycopg.Connection, clock: Clock
) -> Spine:
    """The whole way of the data, to be driven step by step."""
    return Spine(database_url, settings, sandbox, connection, clock)


@pytest.fixture
def outbox(database_url: str) -> Callable[..., Awaitable[tuple[int, str, str]]]:
    """Run an `outbox` command on the database; its exit code, output and errors. `answer`: typed on a terminal."""

    async def run(*arguments: str, answer: str | None = None) -> tuple[int, str, str]:
        environment = {"OUTBOX_DATABASE_URL": database_url}
        return await asyncio.to_thread(processes.run, environment, *arguments, answer=answer)

    return run


@pytest.fixture
def dispatch(settings: Settings) -> Iterator[Callable[..., processes.Dispatcher]]:
    """Start `outbox dispatch` against a database."""
    started: list[processes.Dispatcher] = []

    def start(database_url: str, *arguments: str, **environment: str) -> processes.Dispatcher:
        dispatcher = processes.Dispatcher(
            {
                "OUTBOX_DATABASE_URL": database_url,
                "META_CAPI_TOKEN": "test-token",
                "META_CAPI_BASE_URL": settings.of("meta").base_url,
                "GA4_API_SECRET": "test-secret",
                "GA4_MP_BASE_URL": settings.of("ga4").base_url,
                "OUTBOX_LEASE_SECONDS": "5",
                **environment,
            },
            *arguments,
        )
        started.append(dispatcher)
        return dispatcher

    yield start
    for dispatcher in started:
        dispatcher.kill()


def _database(server: embedded_postgres.EmbeddedServer, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield _address(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _address(server: embedded_postgres.EmbeddedServer, name: str) -> str:
    return server.url.rsplit("/", 1)[0] + f"/{name}"
