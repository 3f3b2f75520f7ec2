"""Query plans over a large log: statements that fill it, and a function that reads a plan."""

from __future__ import annotations

FILL = """
ALTER TABLE outbox.event DISABLE TRIGGER event_recorded;
INSERT INTO outbox.event (name, handl_id, lead_id, account_id, details, occurred_at, recorded_at)
SELECT 'lead_submitted', 'h' || n, 'l' || n, CASE WHEN n % 2 = 0 THEN 'a' || n END, '{"value": 1}', at, at
FROM generate_series(1, 100000) AS n, LATERAL (SELECT outbox.clock() - n * interval '20 s' AS at) AS time;
INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome)
SELECT id, destination, 0, 1, 'delivered' FROM outbox.event, generate_series(1, 2) AS destination;
INSERT INTO outbox.attempt (event_id, destination, revision, try, outcome) SELECT id, 1, 0, 1, 'transient' FROM outbox.event;
INSERT INTO outbox.revision (event_id, destination, revision, reason) SELECT id, 1, 1, 'merge' FROM outbox.event;
INSERT INTO outbox.merge (event_id) SELECT id FROM outbox.event;
INSERT INTO outbox.raw (event_id, person) SELECT id, '{}' FROM outbox.event;
INSERT INTO outbox.intake (event_id) SELECT id FROM outbox.event WHERE id % 1000 = 0;
INSERT INTO outbox.fragment (account_id, handl_id, lead_id, groups)
SELECT coalesce(account_id, ''), handl_id, lead_id, jsonb_build_array(jsonb_build_array(1, id, 'seen')) FROM outbox.event
UNION ALL
SELECT account_id, '', '', jsonb_build_array(jsonb_build_array(1, id, 'seen')) FROM outbox.event WHERE account_id > '';
INSERT INTO outbox.fragment_event SELECT fragment.id, event.id FROM outbox.event JOIN outbox.fragment USING (handl_id, lead_id);
INSERT INTO outbox.sign_in (kind, key, at, event_id, account_id)
SELECT kind, CASE kind WHEN 2 THEN handl_id ELSE lead_id END, 1, id, account_id
FROM outbox.event, generate_series(2, 3) AS kind WHERE account_id > '';
VACUUM ANALYZE
"""
IDS = list(range(1, 51))


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
