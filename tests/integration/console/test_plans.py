"""No page reads the whole log or all persons, however large they are."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from dispatcher.database.queries import load
from tests.support.plans import FILL, IDS, walk

DAY = {"since": timedelta(days=1)}
DEAD = {"reason": None, "destination": None, "step": None}

# Query → its parameters.
STATEMENTS = {
    "read_states": DAY,
    "read_delivery_counts": DAY,
    "read_last_errors": DAY,
    "list_alerts": {},
    "read_destination_status": {"fresh": timedelta(seconds=60)},
    "count_pending_at_least": {"most": 1001},
    "count_dead_letters": {"most": 1001},
    "list_dead_letters": DEAD,
    "list_dead_letter_examples": {"destination": "meta", "reason": "missing value", "limit": 5},
    "requeue_dead_letters": DEAD | {"before": "2030-01-01", "limit": 5000, "destination_after": 0, "event_after": 0},
    "requeue_dead_letter": {"event": 7, "destination": "meta"},
    "list_newest_events": {"before": 90_000, "step": "lead_submitted", "most": 1000, "limit": 50},
    "list_events": {"ids": IDS},
    "find_events_by_key": {"keys": ["a2"], "key_limit": 200, "limit": 50},
    "find_events": {"text": "x", "id": 7},
    "read_outcomes": {"ids": IDS},
    "read_event": {"id": 7},
    "read_history": {"id": 7},
    "find_pending": {"id": 7, "most": 1000},
}
LARGE = {
    "event",
    "receipt",
    "attempt",
    "revision",
    "fragment",
    "fragment_key",
    "fragment_event",
    "click",
    "key_mark",
    "delivery_count",
}
MINUTES = """
INSERT INTO outbox.delivery_count (minute, destination, outcome, reason, count)
SELECT date_trunc('minute', outbox.clock()) - n * interval '1 min', destination, outcome, '', 1
FROM generate_series(1, 40000) AS n, generate_series(1, 2) AS destination, unnest(ARRAY['delivered', 'failed']) AS outcome
"""


@pytest.fixture(scope="module")
def filled(shared_database_url):
    with psycopg.connect(shared_database_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in (*FILL.split(";")[:-1], MINUTES, "VACUUM ANALYZE"):
            connection.execute(statement)
        connection.execute(
            "UPDATE outbox.receipt SET outcome = 'failed', reason = 'missing value' WHERE event_id % 500 = 0"
        )
        yield connection


@pytest.mark.parametrize("query", STATEMENTS)
def test_a_page_reads_the_large_tables_by_index(filled, query):
    (plans,) = filled.execute("EXPLAIN (FORMAT JSON) " + load(query), STATEMENTS[query]).fetchone()
    nodes = list(walk(plans[0]["Plan"]))
    assert not {node["Relation Name"] for node in nodes if node["Node Type"].endswith("Seq Scan")} & LARGE
    # An index of the large tables that is read from end to end is no better; that of dead letters holds nothing else.
    full = [node for node in nodes if "Index Name" in node and not node.keys() & {"Index Cond", "Filter"}]
    assert {node["Index Name"] for node in full if node.get("Relation Name") in LARGE} <= {"receipt_failed"}
