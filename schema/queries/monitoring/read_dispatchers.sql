-- The dispatchers seen within :since, the one seen last first, with how many seconds ago. The table holds a few rows.
SELECT holder, started_at, extract(epoch FROM outbox.clock() - seen_at)::float8 AS age
FROM outbox.dispatcher
WHERE seen_at >= outbox.clock() - %(since)s::interval
ORDER BY seen_at DESC
