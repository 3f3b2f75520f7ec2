"""Two statements at once on the same deliveries, in every order: one is held open while the other is executed.

Whatever meets, a delivery is in one place: pending, leased or ended. Event 1 is leased, and the lease has expired; event 2 is a
dead letter; event 3 was delivered.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb, set_json_dumps

from dispatcher.database.connections import _encode
from dispatcher.database.queries import load
from tests.support.clock import RECLAIM
from tests.support.waiting import wait_until

LEASED, DEAD, DELIVERED = 1, 2, 3
HELD = {"lease": 1, "holder": "one"}
DELIVERED_NOW = [{"event_id": LEASED, "revision": 0, "outcome": "delivered", "status": 200}]
UNCERTAIN = [
    {**DELIVERED_NOW[0], "outcome": "uncertain", "due_at": "2026-11-30T12:00:00Z", "unknown_at": "2026-11-30T12:00:00Z"}
]
BEGUN = [{"lease": 1, "is_suspect": True, "begun": [[LEASED, 0]]}]
LETTERS = {
    "reason": None,
    "destination": None,
    "step": None,
    "before": "9999-01-01",
    "limit": 10,
    "destination_after": 0,
    "event_after": 0,
}
RESENDS = [{"event_id": DELIVERED, "destination": 1, "revision": 1, "first_at": "2026-11-30T12:00:00Z"}]

STATEMENTS = {
    "settle": [("settle_deliveries", HELD | {"settlements": Jsonb(DELIVERED_NOW)})],
    "retry": [("settle_deliveries", HELD | {"settlements": Jsonb(UNCERTAIN)})],
    "reclaim": [("reclaim_leases", RECLAIM)],
    "extend": [("extend_lease", {"id": 1, "holder": "one", "lease": timedelta(seconds=60)})],
    "note": [("note_sends", HELD | {"sends": Jsonb([])})],
    "release": [("release_leases", HELD | {"leases": Jsonb(BEGUN)})],
    "give up": [("give_up_lease", HELD)],
    "requeue": [("requeue_dead_letter", {"event": DEAD, "destination": "meta"})],
    "requeue all": [("requeue_dead_letters", LETTERS)],
    "resend": [("enqueue_resends", {"resends": Jsonb(RESENDS), "done": [], "later": [], "pause": timedelta()})],
    "erase": [
        ("exclude_dispatchers", None),
        ("erase_pending", {"ids": [LEASED, DEAD, DELIVERED]}),
        ("erase_log", {"ids": [LEASED, DEAD, DELIVERED], "identifying": []}),
    ],
}
SETUP = """
INSERT INTO outbox.event (name, event_id, lead_id) SELECT 'lead_submitted', n, n FROM generate_series(1, 3) AS n;
DELETE FROM outbox.intake;
INSERT INTO outbox.lease (destination, holder, expires_at, event_ids, revisions, tries, first_unknown_ats, sent_as)
VALUES (1, 'one', outbox.clock() - interval '1 s', '{1}', '{0}', '{0}', '{NULL}', '{NULL}');
INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason, status)
VALUES (2, 1, 0, 1, 'failed', 'rejected', 400), (3, 1, 0, 1, 'delivered', NULL, 200);
"""
PLACES = """
SELECT event_id, revision, array_agg(place ORDER BY place)
FROM (SELECT event_id, revision, 'pending' AS place FROM outbox.delivery
      UNION ALL SELECT unnest(event_ids), unnest(revisions), 'leased' FROM outbox.lease
      UNION ALL SELECT event_id, revision, outcome FROM outbox.receipt) AS places
GROUP BY event_id, revision ORDER BY event_id, revision
"""


def execute(connection, name):
    rows = None
    for query, params in STATEMENTS[name]:
        cursor = connection.execute(load(query), params)
        rows = cursor.fetchall() if cursor.description else None
    return rows[0][0] if rows else 0


def is_waiting_or_done(watcher, connection, running):
    waiting = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    return running.done() or watcher.execute(waiting, (connection.info.backend_pid,)).fetchone()[0]


@pytest.fixture
def open_connection(database_url):
    opened = []

    def connect(*, autocommit=False):
        connection = psycopg.connect(database_url, autocommit=autocommit)
        set_json_dumps(_encode, connection)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def race(open_connection):
    """Execute `first` and hold it open, execute `second`, then let both take effect; return what each returned."""
    watcher = open_connection(autocommit=True)

    def race(first, second):
        watcher.execute(
            "TRUNCATE outbox.event, outbox.delivery, outbox.lease, outbox.receipt, outbox.attempt, outbox.revision, outbox.intake RESTART IDENTITY"
        )
        watcher.execute(SETUP)
        one, other = open_connection(), open_connection()
        results = [execute(one, first)]
        with ThreadPoolExecutor(1) as executor:
            running = executor.submit(execute, other, second)
            wait_until(lambda: is_waiting_or_done(watcher, other, running))
            one.commit()
            results.append(running.result())
            other.commit()
        one.close()
        other.close()
        return results, {(event, revision): places for event, revision, places in watcher.execute(PLACES)}

    return race


@pytest.mark.parametrize("first", STATEMENTS)
def test_a_delivery_is_in_one_place_whatever_meets(race, first):
    for second in STATEMENTS:
        results, places = race(first, second)
        case = f"{first}, then {second}: {results}, {places}"
        both = dict(zip((first, second), results, strict=True))
        assert all(len(each) == 1 for each in places.values()), case
        assert set(places) >= {(LEASED, 0), (DEAD, 0), (DELIVERED, 0)}, case
        if "settle" in both:
            settled = sum(result for name, result in zip((first, second), results, strict=True) if name == "settle")
            assert settled == (places[LEASED, 0] == ["delivered"]), case
        if "erase" in both:
            assert "pending" not in [place for each in places.values() for place in each], case
            assert "leased" not in [place for each in places.values() for place in each], case
        elif {"requeue", "requeue all"} & {first, second}:
            assert places[DEAD, 1] == ["pending"], case
        if "resend" in both and "erase" not in both:
            assert places[DELIVERED, 1] == ["pending"], case
        if {"settle", "retry", "release", "give up"} & {first, second} and "erase" not in both:
            assert places[LEASED, 0] != ["leased"], case
