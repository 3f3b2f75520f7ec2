-- Returns the queues with work: 0 intake, -1 merges, else a destination with a due delivery; with the losses of what is to be
-- claimed (0: ordinary rows). Takes one step into each index, from where the last claim ended; ordered, so that no queue is
-- ever read as a whole. Ordinary rows are those with losses <= 0, as in claim_deliveries. Relies on intake_pkey,
-- intake_suspect, delivery_pkey, delivery_suspect, merge_pkey.
SELECT queue, losses
FROM (
    SELECT 0::smallint AS queue, (
        SELECT 0 FROM outbox.intake WHERE event_id >= %(intake)s AND losses <= 0 ORDER BY event_id LIMIT 1) AS losses
    UNION ALL
    SELECT 0, (SELECT max(losses) FROM outbox.intake WHERE losses > 0)
    UNION ALL
    SELECT -1, (SELECT 0 FROM outbox.merge WHERE due_at <= outbox.clock() ORDER BY event_id LIMIT 1)
    UNION ALL
    SELECT given.destination, (
        SELECT 0 FROM outbox.delivery
        WHERE (delivery.destination, due_at) >= (given.destination, given.since)
          AND (delivery.destination, due_at) <= (given.destination, outbox.clock()) AND losses <= 0
        ORDER BY delivery.destination, due_at LIMIT 1)
    FROM unnest(%(destinations)s::smallint[], %(sinces)s::timestamptz[]) AS given (destination, since)
    UNION ALL
    SELECT given.destination, (
        SELECT max(losses) FROM outbox.delivery
        WHERE delivery.destination = given.destination AND losses > 0 AND due_at <= outbox.clock())
    FROM unnest(%(destinations)s::smallint[]) AS given (destination)
) AS queues
WHERE losses IS NOT NULL
