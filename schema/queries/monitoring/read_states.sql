-- Returns the state of each destination as each dispatcher reported it within :since, the latest report first, with its age
-- in seconds. The table holds one row for each dispatcher and destination.
SELECT destination, holder, state, reason, since, extract(epoch FROM outbox.clock() - seen_at)::float8 AS age
FROM outbox.destination_state
WHERE seen_at >= outbox.clock() - %(since)s::interval
ORDER BY seen_at DESC
