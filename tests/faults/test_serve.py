"""`outbox serve` as a process: errors at the start, an unavailable database, and the shutdown."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import psycopg
import pytest

from dispatcher.config.toml_tables import one_of
from outbox.taxonomy import FUNNEL
from tests.support.waiting import until

OUTBOX = Path(sys.executable).with_name("outbox")
LEAD = {"email": "ada@example.com"}
STEPS = "expected " + one_of(sorted([*(step.name for step in FUNNEL), "won"]))


class Server:
    """A running `outbox serve`, and its log lines."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        async for line in self.process.stderr:
            self.lines.append(line.decode())

    def logged(self, text):
        return sum(text in line for line in self.lines)

    async def address(self):
        await until(lambda: self.logged("serving forms") or self.process.returncode is not None)
        return json.loads(next(line for line in self.lines if "serving forms" in line))["address"]

    async def ended(self):
        code = await asyncio.wait_for(self.process.wait(), 25)
        await self._reader
        return code


@pytest.fixture
async def start(tmp_path):
    """Start `outbox serve` in its own folder."""
    started = []

    async def start(database_url, *arguments, **environment):
        process = await asyncio.create_subprocess_exec(
            OUTBOX,
            *("serve", "--port", "0", *arguments),
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "OUTBOX_DATABASE_URL": database_url, **environment},
            stderr=subprocess.PIPE,
        )
        started.append(Server(process))
        return started[-1]

    yield start
    for server in started:
        if server.process.returncode is None:
            server.process.kill()
        await server.ended()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


def events(url):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM outbox.event").fetchone()[0]


async def test_an_unavailable_database_is_reported_at_once_and_used_again_when_it_is_back(own_server, start, http):
    url = own_server.url
    server = await start(url)
    address = await server.address()
    form = f"{address}/forms/demo"
    async with http.post(form, data=LEAD) as answer:
        assert answer.status == 204
    await asyncio.to_thread(own_server.stop)
    for _ in range(2):
        async with http.post(form, data=LEAD | {"fb_event_id": "later"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert set(await answer.json()) == {"error"}
    async with http.get(f"{address}/readyz") as ready, http.get(f"{address}/healthz") as healthy:
        assert (ready.status, healthy.status) == (503, 200)
        assert (await ready.json())["reasons"] == ["the database does not answer"]
    await asyncio.to_thread(own_server.start)
    for _ in range(2):  # the page retries, once more than necessary
        async with http.post(form, data=LEAD | {"fb_event_id": "later"}) as answer:
            assert answer.status == 204
    async with http.get(f"{address}/readyz") as ready:
        assert await ready.json() == {"ready": True, "reasons": []}
    assert events(url) == 2
    assert (server.logged("database unavailable"), server.logged("database available again")) == (1, 1)


async def test_a_database_that_is_unavailable_at_the_start_does_not_prevent_serving(own_server, start, http):
    url = own_server.url
    await asyncio.to_thread(own_server.stop)
    server = await start(url)
    form = f"{await server.address()}/forms/demo"
    async with http.post(form, data=LEAD) as answer:
        assert answer.status == 503
    await asyncio.to_thread(own_server.start)
    async with http.post(form, data=LEAD) as answer:
        assert answer.status == 204


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_0_and_open_connections_do_not_keep_it(database_url, start, http, number):
    server = await start(database_url)
    address = await server.address()
    async with http.post(f"{address}/forms/demo", data=LEAD) as answer:
        assert answer.status == 204  # and the connection stays open
    server.process.send_signal(number)
    assert await server.ended() == 0
    assert events(database_url) == 1
    assert not server.logged("Traceback")


async def test_a_database_that_was_not_migrated_is_refused_with_what_to_do(empty_database, start):
    server = await start(empty_database)
    assert await server.ended() == 2
    assert server.logged("run `outbox migrate`")


@pytest.mark.parametrize("command", ["serve", "migrate", "dispatch", "dispatch --drain"])
async def test_an_error_in_the_file_is_reported_before_anything_is_done(database_url, tmp_path, command):
    path = tmp_path / "funnel.toml"
    path.write_text("[steps.won]\nto.meta = 'Lead'\n[forms.f]\nstep = 'no_such_step'\n")
    process = await asyncio.create_subprocess_exec(
        OUTBOX,
        *command.split(),
        env={"PATH": os.environ["PATH"], "OUTBOX_DATABASE_URL": database_url, "OUTBOX_CONFIG": str(path)},
        stderr=subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 25)
    assert process.returncode == 2
    assert errors.decode() == f"outbox: {path}, line 4, forms.f.step: there is no step no_such_step; {STEPS}\n"
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM outbox.step WHERE name = 'won'").fetchone() == (0,)


async def test_a_port_that_is_in_use_is_reported(database_url, start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = await start(database_url, "--port", str(taken.getsockname()[1]))
        assert await server.ended() == 1
    assert server.logged("cannot listen on 127.0.0.1")
