-- How many deliveries ended since :since ago, at each destination, by outcome and reason. Relies on minute_pkey, which
-- begins with the minute.
SELECT destination.name, minute.outcome, minute.reason, sum(minute.count)::bigint
FROM outbox.minute JOIN outbox.destination ON destination.id = minute.destination
WHERE minute.minute > outbox.clock() - %(since)s AND minute.outcome IN ('delivered', 'skipped', 'dead')
GROUP BY destination.id, minute.outcome, minute.reason
ORDER BY destination.id, minute.outcome, sum(minute.count) DESC, minute.reason
