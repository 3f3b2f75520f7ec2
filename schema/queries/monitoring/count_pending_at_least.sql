-- Counts what is pending by destination (0: intake), up to :most, and returns whether any of it is due; deliveries in flight
-- count as both. Walks at most :most entries of each queue, which takes 20 ms for a hundred thousand.
-- Relies on intake_pkey, delivery_pkey.
WITH held AS MATERIALIZED (
    SELECT coalesce(destination, 0) AS destination, sum(cardinality(event_ids))::bigint AS count
    FROM outbox.lease GROUP BY destination
), queued AS (
    SELECT 0 AS id, (SELECT count(*) FROM (SELECT FROM outbox.intake LIMIT %(most)s) AS first) AS count,
           EXISTS (SELECT FROM outbox.intake) AS is_due
    UNION ALL
    SELECT id,
           (SELECT count(*) FROM (SELECT FROM outbox.delivery WHERE destination = destination.id ORDER BY due_at LIMIT %(most)s) AS first),
           coalesce((SELECT due_at FROM outbox.delivery WHERE destination = destination.id ORDER BY due_at LIMIT 1) <= outbox.clock(), false)
    FROM outbox.destination
)
SELECT queued.id, queued.count + coalesce(held.count, 0) AS count, queued.is_due OR coalesce(held.count, 0) > 0 AS is_due
FROM queued LEFT JOIN held ON held.destination = queued.id
ORDER BY queued.id
