"""The queries of metrics, alerts and reports read no queue, log or table of counts as a whole."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest

from dispatcher.database.queries import load
from tests.support.plans import walk

FILL = """
ALTER TABLE outbox.event DISABLE TRIGGER event_recorded;
INSERT INTO outbox.event (name, lead_id) SELECT 'lead_submitted', 'l' || n FROM generate_series(1, 50000) AS n;
INSERT INTO outbox.intake (event_id) SELECT id FROM outbox.event;
INSERT INTO outbox.delivery (destination, due_at, event_id)
SELECT destination, outbox.clock(), id FROM outbox.event, generate_series(1, 2) AS destination;
INSERT INTO outbox.delivery_count (minute, destination, outcome, reason, count)
SELECT date_trunc('minute', outbox.clock()) - n * interval '1 minute', destination, 'delivered', '', 1
FROM generate_series(1, 40000) AS n, generate_series(1, 2) AS destination;
INSERT INTO outbox.field_coverage (day, destination, step, field, events)
SELECT date '2026-11-24' - n, destination, 'lead_submitted', 'field' || field, 1
FROM generate_series(1, 400) AS n, generate_series(1, 2) AS destination, generate_series(1, 30) AS field;
VACUUM ANALYZE
"""
WEEK = {"since": date(2026, 11, 1), "until": date(2026, 11, 7)}
LARGE = {"event", "intake", "delivery", "delivery_count", "field_coverage"}
STATEMENTS = {
    "read_field_coverage": WEEK,
    "read_daily_coverage": WEEK | {"destination": None, "step": None},
    "count_outcomes": {"since": timedelta(days=1)},
    "read_destination_status": {"fresh": timedelta(seconds=60)},
    "count_pending_at_least": {"most": 100},
    "read_gauges": {"fresh": timedelta(seconds=60), "most": 100},
    "remove_counts": {"minutes": timedelta(days=27), "days": 395},
}


@pytest.fixture(scope="module")
def filled(shared_database_url):
    with psycopg.connect(shared_database_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in FILL.split(";"):
            connection.execute(statement)
        yield connection


@pytest.mark.parametrize("query", STATEMENTS)
def test_a_statement_reads_a_small_part_of_what_there_is(filled, query):
    with filled.transaction(force_rollback=True):
        (plans,) = filled.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + load(query), STATEMENTS[query]).fetchone()
    read = {
        (node["Relation Name"], node["Node Type"]): (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        * node["Actual Loops"]
        for node in walk(plans[0]["Plan"])
        if node.get("Relation Name") in LARGE and node["Node Type"] != "ModifyTable"
    }
    assert read
    assert {place: rows for place, rows in read.items() if rows > 3000} == {}
