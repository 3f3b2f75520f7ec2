-- Returns the dispatchers seen within :since, the latest first, with the seconds since then. The table holds a few rows.
SELECT holder, started_at AS since, extract(epoch FROM outbox.clock() - seen_at)::float8 AS silent
FROM outbox.dispatcher
WHERE seen_at >= outbox.clock() - %(since)s::interval
ORDER BY seen_at DESC
