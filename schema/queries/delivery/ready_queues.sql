-- Which queues hold something to do: 0 intake, -1 merges, else a destination with something due. One step into each index,
-- from where its last claim ended; by order, so that no queue is ever read whole. Relies on intake_pkey, delivery_pkey,
-- merge_pkey.
SELECT queue
FROM (
    SELECT 0::smallint AS queue,
           (SELECT event_id FROM outbox.intake WHERE event_id >= %(intake)s ORDER BY event_id LIMIT 1) AS event_id
    UNION ALL
    SELECT -1, (SELECT event_id FROM outbox.merge WHERE due_at <= outbox.clock() ORDER BY event_id LIMIT 1)
    UNION ALL
    SELECT asked.destination, (
        SELECT event_id FROM outbox.delivery
        WHERE (delivery.destination, due_at) >= (asked.destination, asked.since)
          AND (delivery.destination, due_at) <= (asked.destination, outbox.clock())
        ORDER BY delivery.destination, due_at LIMIT 1)
    FROM unnest(%(destinations)s::smallint[], %(sinces)s::timestamptz[]) AS asked (destination, since)
) AS looked
WHERE event_id IS NOT NULL
