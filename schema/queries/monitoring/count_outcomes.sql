-- Counts the deliveries that ended within the last :since, by destination, outcome and reason. Relies on
-- delivery_count_pkey, which begins with the minute.
SELECT destination.name AS destination, delivery_count.outcome, delivery_count.reason,
       sum(delivery_count.count)::bigint AS count
FROM outbox.delivery_count JOIN outbox.destination ON destination.id = delivery_count.destination
WHERE delivery_count.minute > outbox.clock() - %(since)s AND delivery_count.outcome IN ('delivered', 'skipped', 'failed')
GROUP BY destination.id, delivery_count.outcome, delivery_count.reason
ORDER BY destination.id, delivery_count.outcome, sum(delivery_count.count) DESC, delivery_count.reason
