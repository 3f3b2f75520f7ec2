"""The plans of the dispatcher's queries: one statement per batch, with the intended index, whatever is queued."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from time import monotonic

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from dispatcher.byte_budget import FIRST_ROWS
from dispatcher.database.connections import Database
from dispatcher.database.queries import load
from dispatcher.delivery.batch_settler import COLLECT_SECONDS
from dispatcher.delivery.queue import BEGINNING
from dispatcher.destinations import registry
from dispatcher.identity.fragments import Fact
from dispatcher.identity.keys import Keys
from dispatcher.intake.folding import folded
from tests.support.clock import RECLAIM
from tests.support.plans import walk

BATCH = 500
EVENTS = 25_000
SOON = datetime(2026, 12, 1, tzinfo=UTC)

FRESH = {"fresh": timedelta(seconds=60)}
CLAIM = {"holder": "one", "lease": timedelta(seconds=60), "limit": BATCH, "newest": 0, "losses": 0}
SETTLEMENTS = [
    {"event_id": number, "revision": 0, "outcome": "delivered", "status": 200} for number in range(1, BATCH + 1)
]
PENDING = [{"destination": 1, "due_at": SOON.isoformat(), "event_ids": list(range(1, BATCH + 1))}]
SEALED = [{"event_id": number, "sealed": {"meta": {}}, "notes": []} for number in range(1, BATCH + 1)]
FOLDED = folded([Fact((1, number), Keys(f"a{number}", f"h{number}"), ["seen"]) for number in range(1, BATCH + 1)])
HELD = [{"lease": 2, "is_suspect": True, "begun": [[number, 0] for number in range(1, BATCH + 1)]}]
# Query → its parameters, and the indexes that it reads. Nothing is read in any other way, except that the few leases may
# be scanned where `lease_pkey` is not named.
STATEMENTS = {
    "claim_events": ({**CLAIM, "since": 0}, {"intake_pkey", "event_pkey", "raw_pkey"}),
    "claim_deliveries": (
        {**CLAIM, "destination": 1, "since": BEGINNING},
        {"delivery_pkey", "event_pkey", "revision_pkey"},
    ),
    "settle_events": (
        {
            "lease": 1,
            "holder": "one",
            "sealed": Jsonb(SEALED),
            "pending": Jsonb(PENDING),
            "skipped": Jsonb([]),
            "failed": [],
            **FOLDED,
        },
        {"lease_pkey", "event_pkey", "raw_pkey"},
    ),
    "give_up_lease": ({"lease": 1, "holder": "one"}, {"lease_pkey", "event_pkey", "raw_pkey"}),
    "release_leases": ({"lease": None, "holder": "one", "leases": Jsonb(HELD)}, set()),
    "settle_deliveries": ({"lease": 2, "holder": "one", "settlements": Jsonb(SETTLEMENTS)}, {"lease_pkey"}),
    "note_sends": ({"lease": 2, "holder": "one", "sends": Jsonb([])}, {"lease_pkey"}),
    "ready_queues": (
        {"intake": 0, "destinations": [1], "sinces": [BEGINNING]},
        {"intake_pkey", "intake_suspect", "delivery_pkey", "delivery_suspect", "merge_pkey"},
    ),
    "claim_merges": ({"parts": [500, 125, 16, 2, 1], "seconds": 12}, {"merge_pkey", "merge_suspect", "event_pkey"}),
    "extend_lease": ({"id": 2, "holder": "one", "lease": timedelta(seconds=60)}, {"lease_pkey"}),
    "expire_deliveries": (
        {"destination": 1, "limit": BATCH, "window": timedelta(hours=72), "repeat": None},
        {"delivery_pkey", "event_pkey", "revision_pkey"},
    ),
    "read_destination_status": (
        FRESH,
        {"intake_pkey", "delivery_pkey", "event_pkey", "revision_pkey"},
    ),
    "watch_leases": ({"lease": timedelta(seconds=60), "held": []}, set()),
    "reclaim_leases": (RECLAIM, set()),
}
# As psycopg sends them.
TYPES = {
    int: "bigint",
    str: "text",
    datetime: "timestamptz",
    timedelta: "interval",
    Jsonb: "jsonb",
    type(None): "unknown",
    list: "bigint[]",
}
OWN_TYPES = {"destination": "smallint", "destinations": "smallint[]", "sinces": "timestamptz[]"}

FILL = """
INSERT INTO outbox.event (name, details)
SELECT 'lead_submitted', jsonb_build_object('text', repeat('x', 300)) FROM generate_series(1, %(events)s);
INSERT INTO outbox.raw (event_id, person) SELECT event_id, '{"email": "a@example.com"}' FROM outbox.intake;
INSERT INTO outbox.delivery (destination, due_at, event_id, revision)
SELECT destination.id, outbox.clock() - event.id * interval '1 ms', event.id, revision
FROM outbox.event, outbox.destination, generate_series(0, 3) AS revision;
INSERT INTO outbox.merge (event_id) SELECT event_id FROM outbox.intake;
INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome)
SELECT id, 3, 0, 1, 'delivered' FROM outbox.event;
INSERT INTO outbox.lease (destination, holder, expires_at, event_ids, revisions, tries, first_unknown_ats)
SELECT destination, 'one', outbox.clock() + interval '1 h', array_agg(id ORDER BY id), array_agg(0::smallint),
       array_agg(0::smallint), array_agg(NULL::timestamptz)
FROM outbox.event, generate_series(0, 1) AS destination WHERE id <= %(batch)s GROUP BY destination ORDER BY destination;
"""
DEAD_LEASES = """
INSERT INTO outbox.lease (destination, holder, expires_at, event_ids, revisions, tries, first_unknown_ats)
SELECT 1, 'gone', outbox.clock(), '{1,2,3}', '{0,0,0}', '{0,0,0}', '{NULL,NULL,NULL}' FROM generate_series(1, 1000);
DELETE FROM outbox.lease WHERE holder = 'gone';
"""
QUEUES = ("intake", "raw", "delivery", "lease", "event", "receipt", "attempt")


@pytest.fixture(scope="module", params=["analyzed", "never analyzed", "analyzed when empty", "analyzed without Meta"])
def backlog(request, server, template):
    """A connection to a database with a backlog, and with the statistics that PostgreSQL may then happen to have."""
    name = f"backlog_{request.param.replace(' ', '_').lower()}"
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        address = server.url.rsplit("/", 1)[0] + f"/{name}"
        with psycopg.connect(address, autocommit=True, prepare_threshold=None) as connection:
            for table in QUEUES:
                connection.execute(f"ALTER TABLE outbox.{table} SET (autovacuum_enabled = off)")
            analyze = "VACUUM ANALYZE " + ", ".join(f"outbox.{table}" for table in QUEUES)
            if request.param == "analyzed when empty":
                connection.execute(analyze)
            with psycopg.ClientCursor(connection) as cursor:
                cursor.execute(FILL, {"events": EVENTS, "batch": BATCH})
            if request.param == "analyzed":
                connection.execute(analyze)
            if request.param == "analyzed without Meta":
                connection.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM outbox.delivery WHERE destination = 1")
                connection.execute("DELETE FROM outbox.delivery WHERE destination = 1")
                connection.execute(analyze)
                connection.execute("INSERT INTO outbox.delivery SELECT * FROM kept")
            connection.execute(DEAD_LEASES)
            yield connection
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("query", STATEMENTS)
def test_a_statement_reads_every_table_by_its_index(backlog, query, mode):
    parameters, indexes = STATEMENTS[query]
    read = reads(explain(backlog, query, parameters, mode))
    if "lease_pkey" not in indexes:
        read -= {"lease_pkey", "all of lease"}
    assert read == indexes


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("query", "queue"),
    [("claim_events", "intake"), ("claim_deliveries", "delivery"), ("expire_deliveries", "delivery")],
)
def test_a_claim_reads_no_more_of_its_queue_than_it_takes(backlog, query, queue, mode):
    nodes = explain(backlog, query, STATEMENTS[query][0], mode, analyze=True)
    assert not [node for node in nodes if "Sort" in node["Node Type"]]
    scans = [node for node in nodes if node["Node Type"] == "Index Scan" and node["Relation Name"] == queue]
    scans = [scan for scan in scans if scan["Actual Rows"]]  # that of the newest ones is for a backlog
    assert [(scan["Actual Rows"], scan["Actual Loops"]) for scan in scans] == [(BATCH, 1)]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_the_newest_are_found_without_walking_over_the_backlog(backlog, mode):
    params = STATEMENTS["claim_deliveries"][0] | {"limit": BATCH - 100, "newest": 100}
    nodes = explain(backlog, "claim_deliveries", params, mode, analyze=True)
    assert not [node for node in nodes if "Sort" in node["Node Type"]]
    scans = [node for node in nodes if node.get("Index Name") == "delivery_pkey"]
    assert sorted(scan["Actual Rows"] for scan in scans) == [100, BATCH - 100]


@pytest.mark.parametrize(("query", "queue"), [("claim_events", "intake"), ("claim_deliveries", "delivery")])
def test_what_workers_were_lost_over_is_found_without_walking_over_the_rest(backlog, query, queue):
    with backlog.transaction(force_rollback=True):
        backlog.execute(f"UPDATE outbox.{queue} SET losses = 2 WHERE event_id = 20000")
        nodes = explain(backlog, query, STATEMENTS[query][0] | {"losses": 2}, "force_custom_plan", analyze=True)
    scans = [node for node in nodes if node.get("Index Name") in {f"{queue}_suspect", f"{queue}_pkey"}]
    assert [scan["Index Name"] for scan in scans if scan["Actual Loops"]] == [f"{queue}_suspect"]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_the_age_of_the_oldest_is_read_from_the_first_hundred(backlog, mode):
    nodes = explain(backlog, "read_destination_status", FRESH, mode, analyze=True)
    read = {
        (node["Relation Name"], node["Index Name"]): node["Actual Rows"] * node["Actual Loops"]
        for node in nodes
        if "Index Name" in node and node.get("Relation Name") in {"intake", "delivery"}
    }
    assert read
    assert max(read.values()) <= 100 * 4  # destinations, and intake


async def test_no_plan_outlives_the_queue_it_was_made_for(database):
    for _ in range(20):
        await database.run("claim_events", {**CLAIM, "since": 0})
    async with database._pool.connection() as connection:
        assert await (await connection.execute("SELECT name FROM pg_prepared_statements")).fetchall() == []


@pytest.fixture
def statements(monkeypatch):
    """What was run, and whether it gave rows."""
    seen = Counter()
    run_once = Database.run_once

    async def counted(self, query, parameters=None):
        rows = await run_once(self, query, parameters)
        seen[query, bool(rows)] += 1
        return rows

    monkeypatch.setattr(Database, "run_once", counted)
    return seen


async def test_a_batch_costs_one_claim_and_one_settlement(spine, statements):
    spine.connection.execute(
        """
        INSERT INTO outbox.event (name, visitor, sealed)
        SELECT 'lead_submitted', '{"ga_client_id": "1.2"}', '{"meta": {"em": ["x"]}}' FROM generate_series(1, 600)
        """
    )
    began = monotonic()
    assert await spine.drain() == 0
    seconds = monotonic() - began
    assert spine.count("receipt") == 1200
    # The first claim of a process is a small one: it does not know yet how large events are.
    assert statements["claim_events", True] == statements["settle_events", True] == 2
    leases = sum(
        1 + -(-(600 - FIRST_ROWS) // limits.batch) for limits in (kind.limits for kind in registry.kinds().values())
    )
    assert statements["claim_deliveries", True] == leases
    # Responses within a second are settled together.
    assert leases <= statements["settle_deliveries", True] <= leases * (1 + seconds // COLLECT_SECONDS)
    # Beside these: the claims that found nothing, the routing tables, the reclaim, the counts.
    assert sum(statements.values()) <= 36 + 4 * seconds


def explain(connection, query, parameters, mode, *, analyze=False):
    """Return the nodes of a query's plan. Changes nothing."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", load(query))))
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", load(query))
    kinds = [OWN_TYPES.get(name) or TYPES[type(parameters[name])] for name in names]
    declared = f"({', '.join(kinds)})" if kinds else ""
    values = sql.SQL("({})").format(sql.SQL(", ").join(map(parameters.get, names))) if names else sql.SQL("")
    options = "ANALYZE, TIMING OFF, FORMAT JSON" if analyze else "FORMAT JSON"
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        connection.execute(f"PREPARE examined{declared} AS {text}")
        call = sql.SQL("EXPLAIN ({}) EXECUTE examined{}").format(sql.SQL(options), values)
        (plans,) = connection.execute(call).fetchone()
        connection.execute("DEALLOCATE examined")
    return list(walk(plans[0]["Plan"]))


def reads(nodes):
    """Return the indexes by which tables are searched, and the tables read as a whole. A look-up by ctid is not a search."""
    indexes = {node["Index Name"] for node in nodes if "Index Name" in node}
    whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    return indexes - {"destination_pkey", "route_pkey"} | {f"all of {table}" for table in whole & set(QUEUES)}
