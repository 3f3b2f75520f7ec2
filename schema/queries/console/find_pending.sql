-- The pending deliveries of one event: destination, revision and due time (NULL: being sent). A row without a destination
-- means that the event is waiting for intake. Searches only the first :most deliveries of each destination: there is no
-- index by event, because every settlement would have to maintain it. Relies on intake_pkey, delivery_pkey.
SELECT NULL AS name, NULL::smallint AS revision, NULL::timestamptz AS due_at
FROM outbox.intake WHERE event_id = %(id)s
UNION ALL
SELECT destination.name, held.revision, NULL
FROM outbox.lease
CROSS JOIN LATERAL unnest(event_ids, revisions) AS held (event_id, revision)
LEFT JOIN outbox.destination ON destination.id = lease.destination
WHERE held.event_id = %(id)s
UNION ALL
SELECT destination.name, queued.revision, queued.due_at
FROM outbox.destination
CROSS JOIN LATERAL (
    SELECT event_id, revision, due_at FROM outbox.delivery
    WHERE delivery.destination = destination.id ORDER BY due_at LIMIT %(most)s
) AS queued
WHERE queued.event_id = %(id)s
