-- Returns the queues with work: 0 intake, -1 merges, else a destination with a due delivery. Takes one step into each index,
-- from where the last claim ended; ordered, so that no queue is ever read as a whole. Relies on intake_pkey, delivery_pkey,
-- merge_pkey.
SELECT queue
FROM (
    SELECT 0::smallint AS queue,
           (SELECT event_id FROM outbox.intake WHERE event_id >= %(intake)s ORDER BY event_id LIMIT 1) AS event_id
    UNION ALL
    SELECT -1, (SELECT event_id FROM outbox.merge WHERE due_at <= outbox.clock() ORDER BY event_id LIMIT 1)
    UNION ALL
    SELECT given.destination, (
        SELECT event_id FROM outbox.delivery
        WHERE (delivery.destination, due_at) >= (given.destination, given.since)
          AND (delivery.destination, due_at) <= (given.destination, outbox.clock())
        ORDER BY delivery.destination, due_at LIMIT 1)
    FROM unnest(%(destinations)s::smallint[], %(sinces)s::timestamptz[]) AS given (destination, since)
) AS queues
WHERE event_id IS NOT NULL
