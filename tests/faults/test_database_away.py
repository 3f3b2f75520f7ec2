"""The database becomes unavailable and returns: the daemon waits, logs it once, and continues by itself."""

from __future__ import annotations

import asyncio
import signal

import psycopg
import pytest

from tests.support.ports import settled_port
from tests.support.waiting import until


def record(url, *events):
    with psycopg.connect(url, autocommit=True) as connection:
        for event in events:
            connection.execute(
                "INSERT INTO outbox.event (name, event_id, lead_id) VALUES ('lead_submitted', %s, '1')", (event,)
            )


def arrived(sandbox):
    return sorted((arrival.event_id, arrival.destination) for arrival in sandbox.ledger.arrivals)


def both(*events):
    return sorted((event, destination) for event in events for destination in ("ga4", "meta"))


async def stop(dispatcher):
    dispatcher.signal(signal.SIGTERM)
    assert await asyncio.to_thread(dispatcher.wait) == 0


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_is_waited_for_and_logged_once(own_server, dispatch, sandbox, mode):
    dispatcher = dispatch(own_server.url, "--port", "0")
    url = own_server.url
    record(url, "before")
    await until(lambda: arrived(sandbox) == both("before"))
    status, ready = await asyncio.to_thread(dispatcher.health, "/readyz")
    assert (status, ready["ready"], ready["database"]) == (200, True, {"reachable": True})
    await asyncio.to_thread(own_server.stop, mode)
    await until(lambda: dispatcher.logged("database unavailable"))
    status, ready = await asyncio.to_thread(dispatcher.health, "/readyz")
    assert (status, ready["reasons"]) == (503, ["the database does not answer"])
    assert (await asyncio.to_thread(dispatcher.health, "/healthz"))[0] == 200
    await asyncio.to_thread(own_server.start)
    record(url, "after")
    await until(lambda: arrived(sandbox) == both("after", "before"))
    assert (dispatcher.logged("database unavailable"), dispatcher.logged("database available again")) == (1, 1)
    status, ready = await asyncio.to_thread(dispatcher.health, "/readyz")
    assert (status, ready["ready"]) == (200, True)
    await stop(dispatcher)


async def test_terminated_backends_are_replaced(own_server, dispatch, sandbox):
    dispatcher = dispatch(own_server.url)
    record(own_server.url, "first")
    await until(lambda: arrived(sandbox) == both("first"))
    with psycopg.connect(own_server.url, autocommit=True) as connection:
        for _ in range(5):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'outbox%'"
            )
    record(own_server.url, "second")
    await until(lambda: arrived(sandbox) == both("first", "second"))
    await stop(dispatcher)


async def test_a_failover_to_another_address_is_followed(own_server, dispatch, sandbox):
    other = settled_port()
    url = own_server.url
    address = url.split("@")[1].split("/")[0]
    both_addresses = url.replace(address, f"{address},127.0.0.1:{other}")
    dispatcher = dispatch(both_addresses)
    record(url, "first")
    await until(lambda: arrived(sandbox) == both("first"))
    await asyncio.to_thread(own_server.stop)
    own_server._port = other
    await asyncio.to_thread(own_server.start)
    record(own_server.url, "second")
    await until(lambda: arrived(sandbox) == both("first", "second"))
    await stop(dispatcher)


async def test_a_database_that_is_away_at_the_start_is_waited_for(own_server, dispatch, sandbox):
    url = own_server.url
    record(url, "first")
    await asyncio.to_thread(own_server.stop)
    dispatcher = dispatch(url)
    await until(lambda: dispatcher.logged("database unavailable"))
    await asyncio.to_thread(own_server.start)
    await until(lambda: arrived(sandbox) == both("first"))
    await stop(dispatcher)


async def test_a_stop_while_the_database_is_away_ends_in_time(own_server, dispatch, sandbox):
    dispatcher = dispatch(own_server.url)
    record(own_server.url, "first")
    await until(lambda: arrived(sandbox) == both("first"))
    await asyncio.to_thread(own_server.stop)
    await until(lambda: dispatcher.logged("database unavailable"))
    await stop(dispatcher)


async def test_a_dropped_listening_connection_is_replaced(own_server, dispatch, sandbox):
    with psycopg.connect(own_server.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE outbox.event ENABLE TRIGGER event_notify")
        dispatcher = dispatch(own_server.url)
        listening = "SELECT pid FROM pg_stat_activity WHERE application_name = 'outbox-dispatch-listen' AND query LIKE 'LISTEN%%'"
        await until(lambda: connection.execute(listening).fetchone())
        first = connection.execute(listening).fetchone()[0]
        connection.execute("SELECT pg_terminate_backend(%s)", (first,))
        record(own_server.url, "while deaf")
        await until(lambda: arrived(sandbox) == both("while deaf"))
        await until(lambda: (row := connection.execute(listening).fetchone()) and row[0] != first)
    await stop(dispatcher)


async def test_a_full_disk_is_waited_for(own_server, dispatch, sandbox):
    with psycopg.connect(own_server.url, autocommit=True) as connection:
        connection.execute(
            """
            CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device'; END $$;
            CREATE TRIGGER no_space BEFORE INSERT ON outbox.receipt FOR EACH ROW EXECUTE FUNCTION no_space();
            """
        )
        dispatcher = dispatch(own_server.url)
        record(own_server.url, "e")
        await until(lambda: arrived(sandbox) == both("e"))
        await until(lambda: dispatcher.logged("database unavailable"))
        connection.execute("DROP FUNCTION no_space CASCADE")
        await until(lambda: connection.execute("SELECT count(*) FROM outbox.receipt").fetchone() == (2,))
    assert arrived(sandbox) == both("e")
    await stop(dispatcher)
