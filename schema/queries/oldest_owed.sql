-- How long the longest-waiting event of intake (0) and of each destination has been owed, in seconds; NULL: nothing is.
-- One step into each queue's index and a look at the few leases, so it costs the same at any backlog.
-- Relies on intake_pkey, delivery_pkey, event_pkey.
SELECT queue.destination, extract(epoch FROM outbox.clock() - min(event.recorded_at))::float8
FROM (SELECT 0 AS destination UNION ALL SELECT id FROM outbox.destination) AS queue
LEFT JOIN LATERAL (
    (SELECT event_id FROM outbox.intake WHERE queue.destination = 0 ORDER BY event_id LIMIT 1)
    UNION ALL
    (SELECT event_id FROM outbox.delivery WHERE delivery.destination = queue.destination ORDER BY due_at LIMIT 1)
    UNION ALL
    (SELECT event_ids[1] FROM outbox.lease WHERE lease.destination = queue.destination)
) AS owed ON true
LEFT JOIN outbox.event ON event.id = owed.event_id
GROUP BY queue.destination ORDER BY queue.destination
