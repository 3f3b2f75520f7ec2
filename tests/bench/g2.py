"""The bare loop for comparison: claim and settle in the same shape, and nothing else.

A claim moves a thousand rows of a narrow queue into one lease row and reads their payloads (about 600 bytes each); a
settlement deletes the lease and writes one narrow receipt per event. No identity, no building, no HTTP, one process.

    python -m tests.bench.g2 DATABASE_URL EVENTS      prints events per second
"""

from __future__ import annotations

import sys
import time

import psycopg

BATCH = 1000
SLACK = 10_000

SCHEMA = """
CREATE SCHEMA g2;
CREATE TABLE g2.event (id bigint PRIMARY KEY, payload jsonb NOT NULL);
CREATE TABLE g2.queue (event_id bigint PRIMARY KEY, destination smallint NOT NULL, due_at timestamptz NOT NULL)
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE g2.lease (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, expires_at timestamptz, event_ids bigint[]);
CREATE TABLE g2.receipt (event_id bigint, destination smallint, outcome smallint, at timestamptz DEFAULT now(),
                         PRIMARY KEY (event_id, destination));
"""
FILL = """
INSERT INTO g2.event
SELECT n, jsonb_build_object('id', n, 'hashes', ARRAY(SELECT encode(sha256((n * 8 + h)::text::bytea), 'hex') FROM generate_series(1, 8) AS h))
FROM generate_series(1, {0}) AS n;
INSERT INTO g2.queue SELECT n, 1, now() FROM generate_series(1, {0}) AS n;
"""
CLAIM = """
WITH due AS (
    DELETE FROM g2.queue WHERE event_id = ANY (ARRAY(
        SELECT event_id FROM g2.queue WHERE destination = 1 AND due_at <= now() AND event_id > %s
        ORDER BY event_id LIMIT %s FOR UPDATE SKIP LOCKED))
    RETURNING event_id
), leased AS (
    INSERT INTO g2.lease (expires_at, event_ids)
    SELECT now() + interval '1 minute', array_agg(event_id) FROM due HAVING count(*) > 0
    RETURNING id
)
SELECT leased.id, event.id, event.payload::text FROM leased CROSS JOIN due JOIN g2.event ON event.id = due.event_id
"""
SETTLE = """
WITH held AS (DELETE FROM g2.lease WHERE id = %s RETURNING event_ids)
INSERT INTO g2.receipt (event_id, destination, outcome) SELECT unnest(event_ids), 1, 1 FROM held
"""


def run(url: str, events: int) -> float:
    """Fill the tables, then claim and settle everything; return events per second of the latter."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute(FILL.format(events))
        connection.execute("VACUUM (FREEZE, ANALYZE) g2.event, g2.queue")
        connection.execute("CHECKPOINT")
        moved, last = 0, 0
        began = time.perf_counter()
        while rows := connection.execute(CLAIM, (last - SLACK, BATCH), binary=True).fetchall():
            last = max(row[1] for row in rows)
            connection.execute(SETTLE, (rows[0][0],))
            moved += len(rows)
        seconds = time.perf_counter() - began
    assert moved == events, f"{moved} of {events} events were moved"
    return events / seconds


if __name__ == "__main__":
    sys.stdout.write(f"{run(sys.argv[1], int(sys.argv[2]))}\n")
