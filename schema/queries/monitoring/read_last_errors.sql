-- Returns the last error of each destination within the last :since: outcome, reason and minute.
-- Relies on delivery_count_pkey, which begins with the minute.
SELECT DISTINCT ON (destination) destination, outcome, reason, minute AS at
FROM outbox.delivery_count
WHERE minute > outbox.clock() - %(since)s::interval AND outcome NOT IN ('delivered', 'skipped')
ORDER BY destination, minute DESC, count DESC
