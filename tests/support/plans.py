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
INSERT INTO outbox.fragment (id, account_id, handl_id, lead_id, groups)
SELECT md5('f' || id)::uuid, coalesce(account_id, ''), handl_id, lead_id, jsonb_build_array(jsonb_build_array(1, id, 'seen'))
FROM outbox.event;
INSERT INTO outbox.fragment (id, account_id, groups, known)
SELECT md5('a' || id)::uuid, account_id, jsonb_build_array(jsonb_build_array(1, id, 'seen')), '[]' FROM outbox.event
WHERE account_id > '';
INSERT INTO outbox.fragment_key (fragment_id, kind, key)
SELECT id, 2, handl_id FROM outbox.fragment WHERE handl_id > '' UNION ALL SELECT id, 3, lead_id FROM outbox.fragment WHERE lead_id > ''
UNION ALL SELECT id, 1, account_id FROM outbox.fragment WHERE known IS NOT NULL;
INSERT INTO outbox.fragment_event (fragment_id, at, event_id) SELECT md5('f' || id)::uuid, 1, id FROM outbox.event;
INSERT INTO outbox.click (fragment_id, grade, digest, at, event_id) SELECT md5('f' || id)::uuid, 1, id, 1, id FROM outbox.event;
INSERT INTO outbox.key_mark (digest) SELECT outbox.key_digest(2::smallint, handl_id) FROM outbox.event ON CONFLICT DO NOTHING;
VACUUM ANALYZE
"""
IDS = list(range(1, 51))


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
