"""`/readyz` goes by what all dispatchers know of a destination, as console, metrics and alerts do."""

from __future__ import annotations

import aiohttp
import pytest

from dispatcher import admin_http, daemon
from dispatcher.destinations.base import Outcome, Response

SEE = """
INSERT INTO outbox.destination_state (since, seen_at, destination, holder, state, reason)
VALUES (outbox.clock() - %s * interval '1 min', outbox.clock(), 1, %s, %s, %s)
"""


@pytest.fixture
async def readyz(spine):
    """Ask a dispatcher that met a refused token and has had nothing to send since."""
    async with (
        daemon.running(spine.settings, spine.database_url) as running,
        admin_http.listening(running, "127.0.0.1", 0) as address,
        aiohttp.ClientSession() as http,
    ):
        meta = next(sender for sender in running.senders if sender.destination.name == "meta")
        meta.circuit.record(Response(Outcome.HALTED, "permission missing"))

        async def readyz():
            async with http.get(f"{address}/readyz") as answer:
                return answer.status, (await answer.json())["reasons"]

        yield readyz


async def test_what_one_dispatcher_alone_knows_counts(readyz):
    assert await readyz() == (503, ["meta is halted: permission missing"])


async def test_who_had_nothing_to_send_since_a_recovery_is_ready(readyz, connection):
    connection.execute(SEE, (20, "idle", "halted", "permission missing"))
    connection.execute(SEE, (1, "other", "running", None))
    assert await readyz() == (200, [])


async def test_a_destination_that_fails_makes_it_unready_only_while_something_is_owed(readyz, spine):
    spine.connection.execute(SEE, (1, "other", "failing", "server error"))
    assert await readyz() == (200, [])
    spine.connection.execute(
        "INSERT INTO outbox.delivery (destination, due_at, event_id) VALUES (1, outbox.clock(), 1)"
    )
    assert await readyz() == (503, ["meta is failing: server error"])


async def test_a_header_that_is_absurdly_long_is_refused_before_it_is_parsed(spine):
    async with (
        daemon.running(spine.settings, spine.database_url) as running,
        admin_http.listening(running, "127.0.0.1", 0) as address,
        aiohttp.ClientSession() as http,
    ):
        for path in ("/healthz", "/metrics", "/"):
            async with http.post(f"{address}{path}", headers={"Content-Type": 'a;"' * 2000}) as answer:
                assert answer.status == 431
                assert "Content-Type" in await answer.text()
        async with http.get(f"{address}/healthz", headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 200
