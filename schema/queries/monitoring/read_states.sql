-- What each dispatcher says of each destination (0: that it is there), the newest word first, with how many seconds ago
-- that was; of those that were heard of since :since. The table holds a few rows for each dispatcher.
SELECT destination, holder, state, reason, since, seen_at, extract(epoch FROM outbox.clock() - seen_at)::float8
FROM outbox.circuit
WHERE seen_at >= outbox.clock() - %(since)s::interval
ORDER BY seen_at DESC
