"""The database behind the forms: broken connections, missing schema or rights, shutdown."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import psycopg
import structlog
from yarl import URL

from dispatcher import serve
from dispatcher.config import load
from dispatcher.config.settings import Settings
from tests.support.form_site import LEAD, serving
from tests.support.waiting import until


async def test_connections_that_broke_while_idle_lose_nothing(site, log):
    await asyncio.gather(*(site.post("plain", data={"fb_event_id": f"a{n}"}) for n in range(10)))
    log.connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'outbox-serve'"
    )
    statuses = [
        status
        for status, *_ in await asyncio.gather(*(site.post("plain", data={"fb_event_id": f"b{n}"}) for n in range(10)))
    ]
    assert statuses == [204] * 10
    assert len(log.events()) == 20


async def test_a_step_that_is_not_in_the_database_yet_gets_a_503(shared_database_url, tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_text('[steps.won]\n[forms.f]\nstep = "won"')
    with structlog.testing.capture_logs() as logs:
        async with serving(shared_database_url, load(path, {})) as site:
            assert (await site.post("f", data=LEAD))[0] == 503
    assert any("name: not a step of the funnel" in str(line) for line in logs)


async def test_a_database_without_a_schema_is_not_ready(empty_database):
    async with serving(empty_database) as site:
        assert (await site.post("demo", data=LEAD))[0] == 503
        _, ready = await site.get("/readyz")
        assert ready["reasons"] == ["the database schema is missing; run `outbox migrate`"]


async def test_the_recorder_s_role_is_enough(shared_database_url, log):
    log.connection.execute("DROP ROLE IF EXISTS form_server")
    log.connection.execute("CREATE ROLE form_server LOGIN PASSWORD 'x' IN ROLE outbox_recorder")
    url = URL(shared_database_url).with_user("form_server").with_password("x")
    async with serving(str(url)) as site:
        assert (await site.post("demo", data=LEAD))[0] == 204
        assert await site.get("/readyz") == (200, {"ready": True, "reasons": []})
    assert len(log.events()) == 1


async def test_a_user_without_rights_gets_the_missing_grant(shared_database_url, log):
    log.connection.execute("DROP ROLE IF EXISTS nobody_at_all")
    log.connection.execute("CREATE ROLE nobody_at_all LOGIN PASSWORD 'x'")
    url = URL(shared_database_url).with_user("nobody_at_all").with_password("x")
    async with serving(str(url)) as site:
        assert (await site.post("demo", data=LEAD))[0] == 503
        _, ready = await site.get("/readyz")
        assert ready["reasons"] == ["the database user may not record conversions; GRANT outbox_recorder to it"]


async def test_open_requests_are_answered_before_the_server_stops(shared_database_url, log, config):
    running = serve.running(Settings(), shared_database_url, config)
    address = URL(await running.__aenter__())
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'outbox-serve'"
    with psycopg.connect(shared_database_url) as other:
        # Another transaction records the same conversion, so ours waits for it.
        other.execute("""SELECT outbox.record('{"name": "lead_submitted", "event_id": "shared"}')""")
        posted = asyncio.create_task(status_of(address / "forms/plain", LEAD | {"fb_event_id": "shared"}))
        await until(lambda: log.connection.execute(waiting).fetchone())
        stopping = asyncio.create_task(running.__aexit__(None, None, None))
        await until(lambda: refuses(address))
        assert not posted.done()
    assert await posted == 204
    await stopping
    assert log.events() == ["shared"]


async def status_of(url, data):
    async with aiohttp.ClientSession() as http, http.post(url, data=data) as answer:
        return answer.status


def refuses(address):
    with socket.socket() as probe:
        return probe.connect_ex((address.host, address.port)) != 0
