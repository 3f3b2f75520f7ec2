"""/metrics, over HTTP: of the daemon and of `outbox serve`; also while the database is unavailable."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import aiohttp
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from dispatcher import admin_http, daemon, serve
from dispatcher.config import Config
from dispatcher.database.connections import Database
from dispatcher.database.queries import load
from dispatcher.monitoring import gauges
from dispatcher.monitoring.gauges import GAUGES, Gauges

FRESH = timedelta(seconds=30)


async def scraped(address, **headers):
    """Return content type and text of a scrape."""
    async with aiohttp.ClientSession() as session, session.get(f"{address}/metrics", headers=headers) as answer:
        assert answer.status == 200
        return answer.headers["Content-Type"], await answer.text()


def samples(text, parser=parse):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser(text)
        for sample in family.samples
        if not sample.name.startswith("process_")
    }


def collected(of):
    return {
        (sample.name, *sample.labels.values()): sample.value for family in of.collect() for sample in family.samples
    }


@pytest.fixture
async def daemon_address(spine):
    async with (
        daemon.running(spine.settings, spine.database_url) as running,
        admin_http.listening(running, "127.0.0.1", 0) as address,
    ):
        yield address


async def test_the_daemon_reports_what_is_pending(spine, daemon_address):
    for number in range(3):
        spine.record(name="lead_submitted", event_id=f"e{number}", handl_id="h1")
    content_type, text = await scraped(daemon_address)
    found = samples(text)
    assert content_type.startswith("text/plain")
    assert found["outbox_database_up",] == 1
    assert found["outbox_pending", ("destination", "intake")] == 3
    assert found["outbox_pending", ("destination", "meta")] == 0
    assert found["outbox_oldest_pending_seconds", ("destination", "intake")] > 0
    assert found["outbox_alerts", ("kind", "halted")] == 0
    assert found["outbox_oldest_transaction_seconds",] >= 0


async def test_openmetrics_if_the_scraper_asks_for_it(daemon_address):
    content_type, text = await scraped(daemon_address, Accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")
    assert samples(text, parse_openmetrics)["outbox_database_up",] == 1


async def test_nothing_of_a_person_is_in_it(spine, daemon_address):
    spine.record(name="lead_submitted", handl_id="handl-77", lead_id="lead-88", person={"email": "ada@example.com"})
    await spine.drain()
    _, text = await scraped(daemon_address)
    for secret in ("ada", "handl-77", "lead-88", "test-token", "test-secret"):
        assert secret not in text


async def test_a_scrape_while_the_database_is_unavailable_reports_that_and_no_old_values(spine):
    nobody = "postgresql://nobody@127.0.0.1:9/none"
    async with Database.connect(nobody) as database:
        of = Gauges(database, fresh=FRESH)
        await of.refresh()
        assert collected(of) == {("outbox_database_up",): 0}
    async with Database.connect(spine.database_url) as database:
        of = Gauges(database, fresh=FRESH)
        await of.refresh()
        assert collected(of)["outbox_database_up",] == 1
    of._read_at -= gauges.FRESH_SECONDS
    with pytest.raises(psycopg.OperationalError):
        await of._database.run_once("read_clock")  # its pool is closed
    await of.refresh()
    assert collected(of) == {("outbox_database_up",): 0}


async def test_concurrent_scrapes_read_the_database_once(spine, database):
    of = Gauges(database, fresh=FRESH)
    await of.refresh()
    before = collected(of)
    spine.record(name="lead_submitted", handl_id="h1")
    await of.refresh()
    assert collected(of) == before
    of._read_at -= gauges.FRESH_SECONDS
    await of.refresh()
    assert collected(of)["outbox_pending", "intake"] == 1


async def test_states_dispatchers_and_alerts_are_those_of_the_tables(connection, database):
    connection.execute(
        """
        INSERT INTO outbox.dispatcher (holder, seen_at) VALUES
            ('a', outbox.clock()), ('b', outbox.clock()), ('gone', outbox.clock() - interval '1 hour');
        INSERT INTO outbox.destination_state (since, seen_at, destination, holder, state, reason) VALUES
            (outbox.clock(), outbox.clock(), 1, 'a', 'running', NULL),
            (outbox.clock(), outbox.clock(), 1, 'b', 'halted', 'permission missing'),
            (outbox.clock(), outbox.clock(), 2, 'a', 'throttled', 'too many requests'),
            (outbox.clock(), outbox.clock() - interval '1 hour', 2, 'gone', 'halted', 'permission missing');
        INSERT INTO outbox.alert (kind, subject, message) VALUES ('halted', 'meta', 'meta is halted');
        INSERT INTO outbox.alert (kind, subject, message, passed_at) VALUES ('backlog', 'ga4', 'x', outbox.clock())
        """
    )
    of = Gauges(database, fresh=FRESH)
    await of.refresh()
    found = collected(of)
    assert found["outbox_dispatchers",] == 2
    states = {key[1:]: value for key, value in found.items() if key[0] == "outbox_destination_state"}
    assert {key for key, value in states.items() if value} == {("meta", "halted"), ("ga4", "throttled")}
    assert len(states) == 2 * len(gauges.STATES)
    assert (found["outbox_alerts", "halted"], found["outbox_alerts", "backlog"]) == (1, 0)


async def test_coverage_of_identifiers_and_of_nothing_else(connection, database):
    connection.execute(
        """
        INSERT INTO outbox.field_coverage (day, destination, step, field, events)
        SELECT (outbox.clock() AT TIME ZONE 'UTC')::date - ago, 1, step, field, events
        FROM (VALUES (0, 'lead_submitted', '', 10), (0, 'lead_submitted', 'em', 5), (0, 'lead_submitted', 'favourite', 5),
                     (1, 'demo_requested', '', 10), (1, 'demo_requested', 'em', 10), (5, 'account_created', '', 10))
            AS rows (ago, step, field, events)
        """
    )
    of = Gauges(database, fresh=FRESH)
    await of.refresh()
    found = {key[1:]: value for key, value in collected(of).items() if key[0] == "outbox_match_coverage_ratio"}
    assert found["meta", "Lead", "em"] == 0.75  # both steps have the event name Lead
    assert found["meta", "Lead", "ph"] == 0
    assert {event_name for _, event_name, _ in found} == {"Lead"}
    assert "favourite" not in {field for *_, field in found}


async def test_an_open_transaction_is_seen(connection, database_url, database):
    with psycopg.connect(database_url) as idle:
        idle.execute("SELECT 1")
        connection.execute("SELECT pg_sleep(0.2)")
        of = Gauges(database, fresh=FRESH)
        await of.refresh()
        assert collected(of)["outbox_oldest_transaction_seconds",] >= 0.2


async def test_a_large_queue_is_estimated_and_never_counted(connection, database, monkeypatch):
    connection.execute(
        """
        INSERT INTO outbox.delivery (destination, due_at, event_id)
        SELECT 1, outbox.clock(), n FROM generate_series(1, 20000) AS n;
        INSERT INTO outbox.delivery (destination, due_at, event_id) SELECT 2, outbox.clock(), n FROM generate_series(1, 50) AS n
        """
    )
    connection.execute("ANALYZE outbox.delivery")
    monkeypatch.setattr(gauges, "MOST", 100)
    of = Gauges(database, fresh=FRESH)
    await of.refresh()
    found = collected(of)
    assert found["outbox_pending", "ga4"] == 50
    assert 18_000 <= found["outbox_pending", "meta"] <= 22_000


def test_the_statement_reads_no_queue_to_its_end(connection):
    connection.execute(
        "INSERT INTO outbox.delivery (destination, due_at, event_id) SELECT 1, outbox.clock(), n FROM generate_series(1, 50000) AS n"
    )
    connection.execute("ANALYZE outbox.delivery")
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + load("read_gauges"), {"fresh": FRESH, "most": 1000})
        ((plan,),) = cursor.fetchone()
    scanned = [
        node["Actual Rows"] * node["Actual Loops"]
        for node in nodes(plan["Plan"])
        if node.get("Relation Name") in {"delivery", "intake", "merge"}
    ]
    assert scanned
    assert max(scanned) <= 2000


def nodes(node):
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


async def test_serve_counts_its_requests_by_route_and_never_by_address(spine):
    settings = replace(spine.settings)
    async with serve.running(settings, spine.database_url, Config()) as address, aiohttp.ClientSession() as session:
        before = samples((await scraped(address))[1])
        key = ("outbox_http_requests_total", ("route", "/forms/{form}"), ("status", "404"))
        async with session.post(f"{address}/forms/no-such-form", data={"email": "ada@example.com"}):
            pass
        async with session.get(f"{address}/ada@example.com"):
            pass
        _, text = await scraped(address)
        after = samples(text)
    assert after[key] - before.get(key, 0) == 1
    assert after["outbox_http_seconds_count", ("route", "/forms/{form}")] >= 1
    assert "ada" not in text
    assert "no-such-form" not in text
    assert "outbox_database_up" not in text  # only the daemon reports the metrics of the database


async def test_every_gauge_has_the_labels_that_it_declares(connection, database):
    connection.execute(
        "INSERT INTO outbox.field_coverage (day, destination, step, field, events) "
        "VALUES ((outbox.clock() AT TIME ZONE 'UTC')::date, 1, 'lead_submitted', '', 1)"
    )
    of = Gauges(database, fresh=FRESH)
    await of.refresh()
    for family in of.collect():
        assert family.samples, family.name
        assert {tuple(sample.labels) for sample in family.samples} == {GAUGES[family.name].labels}
